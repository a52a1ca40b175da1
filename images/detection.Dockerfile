# Segmenters and their judgement of synthetic images; with detectron2, or without it.
ARG TORCH
ARG PROJECT
# Where detectron2's source comes from: `repository`, `none`, or an image that is that source.
ARG DETECTRON2=repository

FROM ${PROJECT} AS project

FROM ${TORCH} AS clone
USER 0
RUN apt-get update && apt-get install -y --no-install-recommends git
ARG DETECTRON2_URL=https://github.com/facebookresearch/detectron2
ARG DETECTRON2_REVISION=02b5c4e295e990042a714712c21dc79b731e8833
WORKDIR /detectron2
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export GIT_SSL_CAINFO=/run/secrets/ca; fi \
    && git init -q && git fetch -q --depth 1 "$DETECTRON2_URL" "$DETECTRON2_REVISION" \
    && git checkout -q FETCH_HEAD && rm -r .git

FROM scratch AS repository
COPY --from=clone /detectron2 /

FROM scratch AS none
WORKDIR /empty

FROM ${DETECTRON2} AS source

FROM ${TORCH} AS wheel
USER 0
RUN apt-get update && apt-get install -y --no-install-recommends g++
WORKDIR /wheels
# Its own kernels are compiled for the CPU: Mask R-CNN takes those for the GPU from torchvision.
RUN --mount=type=bind,from=source,target=/source \
    if [ -f /source/setup.py ]; then \
      cp -r /source /detectron2 \
      && FORCE_CUDA=0 MAX_JOBS=2 python3 -m pip --python /opt/venv/bin/python wheel \
           --no-build-isolation --no-deps --no-index --wheel-dir /wheels /detectron2; \
    fi

FROM ${TORCH}
USER 0
RUN --mount=type=bind,source=requirements.lock,target=/build/requirements.lock \
    --mount=type=bind,source=images/install,target=/build/install \
    --mount=type=bind,source=images/detection.txt,target=/build/detection.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    /build/install /build/detection.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    for wheel in /wheels/*.whl; do \
      if [ -f "$wheel" ]; then python3 -m pip --python /opt/venv/bin/python install --no-deps --no-index "$wheel"; fi; \
    done
COPY --from=project /opt/defectory /opt/defectory
USER 65532:0
ARG SOURCE=defectory
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="defectory detection" \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION
