# Two images on one base: `light` for the driver and the collector, `training` for the stages. The training image serves
# GPU nodes and nodes without: PyTorch brings the CUDA libraries as packages, the node brings the driver.
#
# `make image` builds both with Docker, podman or buildah. Buildah of 2022 (Debian 12) has to do: it knows no heredocs,
# and it reuses a layer although files changed that were mounted into its RUN. So files that decide a layer are copied,
# and only what must leave no trace is mounted: the host's package index settings and certificates. It also reuses a
# LABEL although an ARG in it has changed, so version and revision are given by --label.

# Any image with Python 3.11 or newer, its venv module and glibc; name@sha256:… to have the same one for ever.
ARG BASE=docker.io/library/python:3.11-slim-bookworm


FROM ${BASE} AS base
# PyTorch asks for the user's name: the account exists, and USER answers where a platform runs pods under a uid of its own.
RUN echo 'stilts:x:65532:65532:stilts:/tmp:/usr/sbin/nologin' >> /etc/passwd && echo 'stilts:x:65532:' >> /etc/group
# Caches of all libraries follow HOME and TMPDIR; both are to be a folder that can be written, as the root is read-only.
# Which GPUs a pod sees is the device plugin's to say, so NVIDIA_VISIBLE_DEVICES is not set.
ENV PATH=/opt/stilts/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    TMPDIR=/tmp \
    USER=stilts \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY containers/packages.sh containers/unused.txt requirements/bootstrap.txt requirements/build.txt requirements/base.txt /opt/locked/
RUN --mount=type=secret,id=index --mount=type=secret,id=ca sh /opt/locked/packages.sh /opt/stilts base.txt
WORKDIR /tmp
ENTRYPOINT ["stilts"]


# The package itself, as a tree that is laid over /opt/stilts: the one layer that a change of code makes anew.
FROM base AS code
RUN --mount=type=secret,id=index --mount=type=secret,id=ca sh /opt/locked/packages.sh /opt/tools bootstrap.txt build.txt
WORKDIR /source
COPY pyproject.toml README.md ./
COPY stilts_core stilts_core
RUN /opt/tools/bin/hatchling build --target wheel --directory /wheel \
 && /opt/tools/bin/uv pip install --quiet --no-cache --offline --no-deps --python /opt/stilts/bin/python --prefix /code /wheel/*.whl \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /code -p /opt/stilts /code


FROM base AS light
COPY requirements/light.txt containers/unused-light.txt /opt/locked/
RUN --mount=type=secret,id=index --mount=type=secret,id=ca sh /opt/locked/packages.sh /opt/stilts light.txt
COPY --from=code /code /opt/stilts
USER 65532:65532
LABEL org.opencontainers.image.title="stilts" \
      org.opencontainers.image.description="Driver and collector of studies of intermediate-task transfer" \
      org.opencontainers.image.licenses="Apache-2.0"


FROM base AS training
COPY requirements/train.txt /opt/locked/
RUN --mount=type=secret,id=index --mount=type=secret,id=ca sh /opt/locked/packages.sh /opt/stilts train.txt
COPY --from=code /code /opt/stilts
USER 65532:65532
LABEL org.opencontainers.image.title="stilts-train" \
      org.opencontainers.image.description="Stages of studies of intermediate-task transfer" \
      org.opencontainers.image.licenses="Apache-2.0"
