# The image of both Lambda functions: engine, Terraform, the AWS provider and the modules. Nothing is downloaded when
# it runs. docs/service.md says how to build and push it; --platform linux/amd64, as the provider's lock file says.
ARG BASE=public.ecr.aws/lambda/python:3.12

FROM ${BASE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /build

# What changes seldom comes first: each step is a layer that is kept until its own files change.
COPY requirements/service.txt requirements/
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
      --no-binary python-terraform --target /bundle/task -r requirements/service.txt && \
    rm -rf /bundle/task/bin

# Terraform's release, checked against the SHA-256 in the engine.
COPY engine/__init__.py engine/errors.py engine/
COPY engine/terraform/__init__.py engine/terraform/release.py engine/terraform/
RUN python -c "from pathlib import Path; from engine.terraform.release import download; download(Path('/build'))" && \
    mkdir -p /bundle/terraform/bin && \
    install -m 0755 terraform/*/terraform /bundle/terraform/bin/terraform

# The provider of the lock file, as a mirror that is unpacked: Terraform links to it, where it would unpack 675 MB of
# a packed one into /tmp for every project. Then a look whether it is the one that the lock file means.
COPY workspaces/bootstrap/versions.tf workspaces/bootstrap/.terraform.lock.hcl provider/
RUN export CHECKPOINT_DISABLE=1 && \
    /bundle/terraform/bin/terraform -chdir=provider providers mirror -platform=linux_amd64 /build/packed && \
    for zip in packed/registry.terraform.io/hashicorp/aws/*.zip; do \
      name=$(basename "${zip}" .zip) && version_platform=${name#terraform-provider-aws_} && \
      folder=/bundle/terraform/providers/registry.terraform.io/hashicorp/aws/${version_platform%%_*}/${version_platform#*_} && \
      python -m zipfile -e "${zip}" "${folder}" && \
      chmod 0755 "${folder}"/terraform-provider-aws_*; \
    done && \
    /bundle/terraform/bin/terraform -chdir=provider init -backend=false -lockfile=readonly \
      -plugin-dir=/bundle/terraform/providers && \
    rm -rf packed provider/.terraform

COPY engine /bundle/task/engine
COPY modules /bundle/task/modules
# For GitLab's jobs, which run the image with a shell: the command beside terraform, on PATH.
RUN printf '#!/bin/sh\nPYTHONPATH=%s exec python -m engine.cli "$@"\n' "${LAMBDA_TASK_ROOT}" \
      > /bundle/terraform/bin/provisioner && \
    chmod 0755 /bundle/terraform/bin/provisioner
# Compiled here, since nothing can be written there later; readable for the user that Lambda chooses.
RUN python -m compileall -q --invalidation-mode unchecked-hash /bundle/task && \
    chmod -R a+rX,go-w /bundle

FROM ${BASE}
COPY --from=build /bundle/terraform /opt/terraform
COPY --from=build /bundle/task ${LAMBDA_TASK_ROOT}

# Everything that is written goes to /tmp: Terraform's configuration and workspaces under the engine's home, Node's
# and Terraform's own under HOME. No plugin cache: the mirror is linked to.
ENV HOME=/tmp \
    PATH=/opt/terraform/bin:${PATH} \
    PROVISIONER_TERRAFORM=/opt/terraform/bin/terraform \
    TF_PLUGIN_MIRROR=/opt/terraform/providers \
    CHECKPOINT_DISABLE=1 \
    PYTHONDONTWRITEBYTECODE=1

# Lambda runs it as a user of its own, without rights; this is for whoever runs it elsewhere.
USER 65534:65534

# The API; modules/service says engine.service.worker.handler for the worker.
CMD ["engine.service.api.handler"]
