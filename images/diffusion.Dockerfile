# Diffusion models: DreamBooth, the hypernetwork, synthesis.
ARG TORCH
ARG PROJECT

FROM ${PROJECT} AS project

FROM ${TORCH}
USER 0
RUN --mount=type=bind,source=requirements.lock,target=/build/requirements.lock \
    --mount=type=bind,source=images/install,target=/build/install \
    --mount=type=bind,source=images/diffusion.txt,target=/build/diffusion.txt \
    --mount=type=secret,id=pip \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/pip \
    /build/install /build/diffusion.txt
COPY --from=project /opt/defectory /opt/defectory
USER 65532:0
ARG SOURCE=defectory
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="defectory diffusion" \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION
