# Diffusion models: DreamBooth, the hypernetwork, synthesis.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
ARG TORCH
ARG PROJECT

FROM ${BASE} AS uv
ARG UV=0.13.9
RUN --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    . /build/index && python3 -m pip install --quiet --no-cache-dir --target /uv "uv==$UV"

FROM uv AS list
RUN --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=bind,source=images/resolve,target=/build/resolve \
    --mount=type=bind,source=requirements.lock,target=/build/requirements.lock \
    --mount=type=bind,source=images/torch.txt,target=/build/torch.txt \
    --mount=type=bind,source=images/diffusion.txt,target=/build/diffusion.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    /build/resolve /build/torch.txt /build/diffusion.txt

FROM ${PROJECT} AS project

FROM ${TORCH}
USER 0
RUN --mount=type=bind,from=uv,source=/uv,target=/uv \
    --mount=type=bind,from=list,source=/resolved,target=/resolved \
    --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=bind,source=images/install,target=/build/install \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/uv \
    /build/install
COPY --from=project /opt/defectory /opt/defectory
USER 65532:0
ARG SOURCE=""
ARG REVISION=unknown
ARG VERSION=unknown
# Steps tell it to MLflow.
ENV DEFECTORY_GIT_REVISION=$REVISION
LABEL org.opencontainers.image.title="defectory diffusion" \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION
