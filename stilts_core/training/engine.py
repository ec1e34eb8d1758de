"""The one place that knows DeepSpeed: a model under a ZeRO stage, stepped by hand.

The trainer owns the schedule, the batches and their normalisation; the engine owns gradients across ranks, the sharding
of optimiser state, gradients and parameters, clipping (once per optimiser step) and the update.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stilts_core.catalog.models import Hyper
from stilts_core.modeling.dropout import use_bit_dropout
from stilts_core.modeling.encoder import encoder_traits
from stilts_core.modeling.inference import autocast
from stilts_core.training.shards import Piece

NEVER = 2**31
NORM_EPSILON = 1e-6  # torch's, where it clips by the norm


def preload(zero_stage: int) -> None:
    """Import what a training needs, in the process that stages are forked from."""
    import deepspeed

    if zero_stage:
        # DeepSpeed asks of every optimiser whether it is this one; the module pulls in torch's compiler.
        import deepspeed.runtime.zero.muon.muon_optimizer
        import deepspeed.runtime.zero.stage3
        import deepspeed.runtime.zero.stage_1_and_2  # noqa: F401


def parameter_groups(model: nn.Module, hyper: Hyper) -> tuple[list[dict[str, Any]], list[float]]:
    """The groups for AdamW, and what each one's learning rate is multiplied with.

    Biases and normalisation weights are not decayed. Word embeddings have a rate of their own; with 0 they are frozen.
    """
    words = model.encoder.get_input_embeddings().weight  # type: ignore[operator, union-attr]
    if not hyper.embedding_rate:
        words.requires_grad_(False)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decay = hyper.weight_decay if parameter.ndim > 1 else 0.0
            scale = hyper.embedding_rate if parameter is words else 1.0
            groups.setdefault((decay, scale), []).append(parameter)
    settings = [{"params": members, "weight_decay": decay} for (decay, _), members in groups.items()]
    return settings, [scale for _, scale in groups]


def learning_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Linear warm-up from 0 over the first ``warmup`` share of the steps, then linear decay to 0; step from 0."""
    rising = math.ceil(total * warmup)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (total - step) / max(1, total - rising)


@dataclass(slots=True)
class Engine:
    """A model that can be stepped.

    Attributes:
        rank, ranks: of this process, and how many share the training.
        zero_stage: 0 to 3.
    """

    rank: int
    ranks: int
    zero_stage: int
    _engine: Any
    _scales: list[float]
    _clip: float
    _device: torch.device

    @classmethod
    def start(cls, model: nn.Module, hyper: Hyper, *, zero_stage: int, device: torch.device) -> Engine:
        """Put a model under DeepSpeed; the process group must be there (`training.ranks`)."""
        import deepspeed

        # The shared-memory collective is compiled at start-up, needs a compiler, and serves nothing at one rank.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
        deepspeed.init_distributed(dist_backend=torch.distributed.get_backend(), verbose=False)
        if device.type == "cpu":
            use_bit_dropout(model)
        model.to(device)
        groups, scales = parameter_groups(model, hyper)
        optimizer = torch.optim.AdamW(
            groups,
            lr=hyper.learning_rate,
            betas=(0.9, hyper.adam_beta2),
            eps=hyper.adam_epsilon,
            fused=True,
        )
        engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=optimizer,
            config={
                # The batches are cut and normalised by the trainer; these two only have to agree with each other.
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": 1,
                # Without shards torch clips, in fewer and larger operations (see `step`).
                "gradient_clipping": hyper.clip if zero_stage else 0.0,
                "steps_per_print": NEVER,
                "zero_optimization": {
                    "stage": zero_stage,
                    # Small models: keep a parameter whole rather than fetch it in slivers.
                    "stage3_param_persistence_threshold": 10_000,
                },
                "zero_allow_untested_optimizer": True,
                "zero_force_ds_cpu_optimizer": False,
            },
        )
        ranks = torch.distributed.get_world_size()
        if ranks == 1 and zero_stage == 0:
            # Nothing to average: the engine would still copy every gradient into a bucket and back.
            engine.enable_backward_allreduce = False
        return cls(torch.distributed.get_rank(), ranks, zero_stage, engine, scales, hyper.clip, device)

    @property
    def module(self) -> nn.Module:
        """The model, for inference between steps; under ZeRO 3 every rank has to call it alike."""
        return self._engine  # type: ignore[no-any-return]

    @property
    def width(self) -> int:
        """Hidden size of the encoder."""
        return int(self._engine.module.encoder.config.hidden_size)

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that the encoder's architecture stands."""
        return encoder_traits(self._engine.module.encoder).precisions

    def backward(
        self, task: int, batch: Mapping[str, Tensor], scale: float, *, dtype: torch.dtype, last: bool
    ) -> Tensor:
        """Forward and backward of one micro-batch; the summed loss times ``scale`` is differentiated.

        Args:
            dtype: of the forward pass; weights and gradients stay fp32.
            scale: one over the units of the whole optimiser step; 0 for a filler on a rank without work.
            last: the final micro-batch of the step; all ranks call with the same sequence of values.
        """
        self._engine.set_gradient_accumulation_boundary(last)
        with autocast(batch["input_ids"].device, dtype):
            loss: Tensor = self._engine(task, batch) * scale
        # Gradients are averaged over the ranks, and each rank holds a part of one sum.
        self._engine.backward(loss * self.ranks, scale_wrt_gas=False)
        return loss.detach()

    def outputs(self, task: int, batch: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        """What the model gives for one micro-batch, without gradients; all ranks call it alike."""
        with torch.no_grad(), autocast(batch["input_ids"].device, dtype):
            output: Tensor = self._engine.module(task, batch)
        return output

    def step(self, rate: float) -> None:
        """Clip once, update at this learning rate, clear the gradients."""
        for group, scale in zip(self._engine.optimizer.param_groups, self._scales, strict=True):
            group["lr"] = rate * scale
        if not self.zero_stage:
            # The fused update divides by a loss scale anyway: clipping as one spares a pass over all gradients.
            parameters = [p for group in self._engine.optimizer.param_groups for p in group["params"]]
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None], foreach=True)
            self._engine.optimizer.grad_scale = ((norm + NORM_EPSILON) / self._clip).clamp(min=1.0)
        self._engine.step()

    def total(self, value: Tensor) -> Tensor:
        """The sum of a small tensor over the ranks, on every rank."""
        if self.ranks > 1:
            value = value.to(self._device)  # NCCL knows no tensors of the host
            torch.distributed.all_reduce(value)
        return value

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Names and whole weights on the host, one at a time; under ZeRO 3 gathered so that no rank holds all twice."""
        import deepspeed

        for name, parameter in self._engine.module.named_parameters():
            with deepspeed.zero.GatheredParameters([parameter], enabled=self.zero_stage == 3):
                yield name, parameter.detach().to("cpu", copy=True)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The one that updates this rank's part; its state is kept by `shards.Piece.owner`."""
        optimizer = self._engine.optimizer
        return optimizer.optimizer if self.zero_stage else optimizer  # type: ignore[no-any-return]

    def shapes(self) -> dict[str, list[int]]:
        """The trained parameters, whole."""
        return {name: list(getattr(parameter, "ds_shape", parameter.shape)) for name, parameter in self._trained()}

    def pieces(self, *, share: bool = False) -> list[Piece]:
        """The ranges of the trained parameters that this rank updates.

        Args:
            share: where every rank updates everything (ZeRO 0), only this rank's part of it, so that all ranks together
                hold each element once.
        """
        if not self.zero_stage:
            return self._shares(self.rank, self.ranks) if share else self._shares(0, 1)
        return self._slivers() if self.zero_stage == 3 else self._ranges()

    def spread(self) -> None:
        """Bring the whole model to what the ranks' pieces are, after they were changed by hand."""
        optimizer = self._engine.optimizer
        if self.zero_stage in (1, 2):
            for parts, own in zip(
                optimizer.parallel_partitioned_bit16_groups, optimizer.single_partition_of_fp32_groups, strict=True
            ):
                parts[self.rank].data.copy_(own.data)
            if self.ranks > 1:
                for whole, parts in zip(
                    optimizer.bit16_groups_flat, optimizer.parallel_partitioned_bit16_groups, strict=True
                ):
                    torch.distributed.all_gather_into_tensor(whole, parts[self.rank].clone())
        if self.zero_stage == 3:
            for group in range(len(optimizer.fp16_groups)):
                optimizer._reassign_or_swap_out_partitioned_parameters(group)
            if optimizer.persistent_parameters:
                optimizer.persistent_parameters[0].all_gather(optimizer.persistent_parameters)

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, each) for name, each in self._engine.module.named_parameters() if each.requires_grad]

    def _shares(self, part: int, parts: int) -> list[Piece]:
        pieces = []
        for name, parameter in self._trained():
            count = parameter.numel()
            start, stop = count * part // parts, count * (part + 1) // parts
            pieces.append(Piece(name, start, parameter.detach().view(-1)[start:stop], parameter, start))
        return pieces

    def _ranges(self) -> list[Piece]:
        """ZeRO 1 and 2: parameters lie one after the other in flat groups, which are cut into one range a rank."""
        optimizer, pieces = self._engine.optimizer, []
        names = {id(parameter): name for name, parameter in self._trained()}
        for members, whole, own in zip(
            optimizer.bit16_groups,
            optimizer.bit16_groups_flat,
            optimizer.single_partition_of_fp32_groups,
            strict=True,
        ):
            first, last = own.numel() * self.rank, own.numel() * (self.rank + 1)
            for parameter in members:
                at = _distance(parameter, whole)
                start, stop = max(at, first), min(at + parameter.numel(), last)
                if start < stop:
                    weights = own.detach()[start - first : stop - first]
                    pieces.append(Piece(names[id(parameter)], start - at, weights, own, start - first))
        return pieces

    def _slivers(self) -> list[Piece]:
        """ZeRO 3: every parameter is cut into one range a rank; a rank's ranges lie in flat groups."""
        optimizer, pieces = self._engine.optimizer, []
        names = {id(parameter): name for name, parameter in self._trained()}
        for members, own in zip(optimizer.fp16_groups, optimizer.fp32_partitioned_groups_flat, strict=True):
            at = 0
            for parameter in members:
                size = parameter.ds_tensor.ds_numel
                start = size * self.rank
                count = min(size, parameter.ds_numel - start)
                if count > 0:
                    weights = own.detach()[at : at + count]
                    pieces.append(Piece(names[id(parameter)], start, weights, own, at))
                at += size
        return pieces

    def close(self) -> None:
        """Let go of the engine's hooks and buffers."""
        self._engine.destroy()


def _distance(inner: Tensor, outer: Tensor) -> int:
    """Elements from the beginning of a flat tensor to that of another one within it."""
    return (inner.data_ptr() - outer.data_ptr()) // outer.element_size()
