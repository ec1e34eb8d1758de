"""An encoder with its heads: what is trained, and what is evaluated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stilts_core.catalog.encoders import Pooling
from stilts_core.catalog.models import Head
from stilts_core.errors import IncompatibleCheckpointError, MissingInputError
from stilts_core.modeling.encoder import encode, encoder_config, encoder_traits, load_encoder
from stilts_core.modeling.heads import DualHead, MaskedHead, new_head

HEADS_FILE = "heads.safetensors"
HEADS_RECORD = "heads.json"


class TaskModel(nn.Module):
    """One encoder and a head for each task of a training.

    Args:
        encoder: a transformer of the transformers library, without pooler.
        heads: in the order of the tasks.
    """

    def __init__(self, encoder: nn.Module, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(heads)

    @property
    def embeddings(self) -> Tensor:
        """The word embedding matrix, (V, H)."""
        return self.encoder.get_input_embeddings().weight  # type: ignore[no-any-return, operator]

    def forward(self, task: int, batch: Mapping[str, Tensor]) -> Tensor:
        """The summed loss of one micro-batch of the task with that index.

        A dual encoder gives its vectors (B, 2, H), and the loss where the batch holds whole pools. Where it holds a
        part of them, the loss is the sum of its ``loss`` (B,), with the gradient of the product of the vectors with its
        ``gradient`` (B, 2, H): `training.dual` makes these from the vectors of all parts.

        Where there are several tasks, the other heads join with a weight of zero: every parameter then gets a gradient
        at every step, which is what keeps the optimiser's steps equal under all ZeRO stages.
        """
        states = encode(self.encoder, batch["input_ids"], batch.get("mask"), batch.get("segments"))
        head = self.heads[task]
        if isinstance(head, MaskedHead):
            loss: Tensor = head.loss(states, batch, self.embeddings)
        elif isinstance(head, DualHead):
            other = encode(self.encoder, batch["other_ids"], batch.get("other_mask"), batch.get("other_segments"))
            vectors = torch.stack((head(states, batch.get("mask")), head(other, batch.get("other_mask"))), dim=1)
            if "gradient" in batch:
                change = (vectors * batch["gradient"]).sum()
                loss = batch["loss"].sum() + change - change.detach()
            elif "pools" in batch:
                loss = head.loss(vectors, batch)
            else:
                return vectors
        else:
            loss = head.loss(states, batch)  # type: ignore[operator]
        for idle in (other for i, other in enumerate(self.heads) if i != task):
            first = states[:1, :1]
            output = idle(first[0], self.embeddings) if isinstance(idle, MaskedHead) else idle(first)
            loss = loss + 0.0 * output.float().sum()
        return loss


def new_task_model(
    encoder: nn.Module, tasks: Sequence[tuple[Head, int]], seed: int, *, pooling: Pooling | None = None
) -> TaskModel:
    """The encoder with fresh heads, ``(kind, number of labels)`` each; the seed decides their weights alone.

    Args:
        pooling: what stands for an input, where it is not what does in the encoder's architecture.
    """
    traits, config = encoder_traits(encoder), encoder_config(encoder)
    words: Tensor = encoder.get_input_embeddings().weight  # type: ignore[operator]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = [
            new_head(
                head,
                hidden=encoder.config.hidden_size,  # type: ignore[arg-type, union-attr]
                dropout=traits.head_dropout(config),
                labels=labels,
                vocabulary=words.shape[0],
                width=words.shape[1],
                pooling=pooling or traits.sentence_pooling(config),
            )
            for head, labels in tasks
        ]
    return TaskModel(encoder, heads)


def write_heads(folder: Path, tasks: Sequence[tuple[Head, int]], state: Mapping[str, Tensor]) -> None:
    """Write the heads' weights (names as in ``TaskModel.heads``) and a record of their kinds."""
    from safetensors.torch import save_file

    save_file(dict(state), folder / HEADS_FILE)
    record = [{"head": head.value, "labels": labels} for head, labels in tasks]
    (folder / HEADS_RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_task_model(folder: Path, head: Head, labels: int) -> TaskModel:
    """A trained encoder and the head of its only task, as a train stage committed them.

    Raises:
        MissingInputError: files are missing.
        IncompatibleCheckpointError: the head is of another kind or size.
    """
    state = _read_heads(folder, [(head, labels)])
    model = new_task_model(load_encoder(folder / "encoder"), [(head, labels)], seed=0)
    model.heads.load_state_dict(state)
    return model


def load_with_heads(encoder: Path, heads: Path) -> TaskModel:
    """An encoder with all heads of another train stage, in the order of that stage's tasks.

    Raises:
        MissingInputError: files are missing.
    """
    try:
        record = json.loads((heads / HEADS_RECORD).read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"{heads} holds no trained heads: {error}.") from error
    tasks = [(Head(one["head"]), int(one["labels"])) for one in record]
    model = new_task_model(load_encoder(encoder), tasks, seed=0)
    restore_heads(model, heads, tasks)
    return model


def restore_heads(model: TaskModel, folder: Path, tasks: Sequence[tuple[Head, int]]) -> None:
    """Put the weights of the heads that a train stage committed into a model of the same tasks.

    Raises:
        MissingInputError: files are missing.
        IncompatibleCheckpointError: a head is of another kind or size.
    """
    model.heads.load_state_dict(_read_heads(folder, tasks))


def _read_heads(folder: Path, tasks: Sequence[tuple[Head, int]]) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    wanted = [{"head": head.value, "labels": labels} for head, labels in tasks]
    try:
        record = json.loads((folder / HEADS_RECORD).read_text(encoding="utf-8"))
        state: dict[str, Tensor] = load_file(folder / HEADS_FILE)
    except OSError as error:
        raise MissingInputError(f"{folder} holds no trained heads: {error}.") from error
    if record != wanted:
        needed = ", ".join(f"{head.value} with {labels} labels" for head, labels in tasks)
        raise IncompatibleCheckpointError(f"{folder} holds the heads {record}, and what is needed is: {needed}.")
    return state
