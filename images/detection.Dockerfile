# Segmenters and their judgement of synthetic images; with detectron2, or without it.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
ARG TORCH
ARG PROJECT
# Where detectron2's source comes from: `repository`, `none`, or an image that holds it.
ARG DETECTRON2=repository

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
    --mount=type=bind,source=images/detection.txt,target=/build/detection.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    /build/resolve /build/torch.txt /build/detection.txt

FROM ${BASE} AS clone
RUN apt-get update && apt-get install -y --no-install-recommends git
ARG DETECTRON2_URL=https://github.com/facebookresearch/detectron2
ARG DETECTRON2_REVISION=02b5c4e295e990042a714712c21dc79b731e8833
WORKDIR /detectron2
RUN --mount=type=bind,source=images/index,target=/build/index \
    --mount=type=secret,id=ca \
    . /build/index && git init -q \
    && git fetch -q --depth 1 "$DETECTRON2_URL" "$DETECTRON2_REVISION" \
    && git checkout -q FETCH_HEAD && rm -r .git

FROM scratch AS repository
COPY --from=clone /detectron2 /

FROM scratch AS none
WORKDIR /empty

FROM ${DETECTRON2} AS source

FROM ${TORCH} AS wheel
USER 0
WORKDIR /wheels
# Its own kernels are compiled for the CPU: Mask R-CNN takes those for the GPU from torchvision.
# Without its source there is no wheel, and nothing is asked of the network.
RUN --mount=type=bind,from=uv,source=/uv,target=/uv \
    --mount=type=bind,from=source,target=/source \
    if [ -f /source/setup.py ]; then \
      { command -v g++ >/dev/null \
        || { apt-get update && apt-get install -y --no-install-recommends g++; } \
        || { echo "detectron2 needs g++: name a base that has it, or build without it" >&2; exit 1; }; } \
      && cp -r /source /detectron2 \
      && FORCE_CUDA=0 MAX_JOBS=2 /uv/bin/uv build --wheel --offline --no-build-isolation \
           --python /opt/venv/bin/python --out-dir /wheels /detectron2; \
    fi

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
RUN --mount=type=bind,from=uv,source=/uv,target=/uv \
    --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    for wheel in /wheels/*.whl; do \
      [ ! -f "$wheel" ] || /uv/bin/uv pip install --python /opt/venv/bin/python --no-cache \
        --offline --no-deps --compile-bytecode "$wheel"; \
    done
COPY --from=project /opt/defectory /opt/defectory
USER 65532:0
ARG SOURCE=""
ARG REVISION=unknown
ARG VERSION=unknown
# Steps tell it to MLflow.
ENV DEFECTORY_GIT_REVISION=$REVISION
LABEL org.opencontainers.image.title="defectory detection" \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION
