# Kefu. `make run` runs the product, `make test` runs every test; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --build-constraints constraints.txt
PACKAGES := libs/contracts libs/runtime libs/wecom services/gateway services/dialog services/knowledge services/sender \
            tools/simulator tools/traces tools/cli
MANIFESTS := pyproject.toml constraints.txt $(PACKAGES:%=%/pyproject.toml)
IMAGES := gateway dialog knowledge sender simulator traces cli
TAG    ?= 0.1.0
PROTO  := proto/kf_contracts/knowledge/v1/knowledge.proto

# uv does not read pip's configuration, and a mirror is often set only there.
export UV_DEFAULT_INDEX ?= $(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null || $(PYTHON) -m pip config get install.index-url 2>/dev/null)
ifeq ($(UV_DEFAULT_INDEX),)
unexport UV_DEFAULT_INDEX
endif

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Set up and run the whole product on this machine (Ctrl-C stops it)
	@$(BIN)/kf run

demo: $(VENV)/.runtime ## Run a scripted conversation of five customers and check every answer
	@$(BIN)/kf demo

doctor: $(VENV)/.runtime ## Examine the whole installation and say what to do about what is wrong
	@$(BIN)/kf doctor $(ARGS)

test: $(VENV)/.dev ## Set up and run all tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

prove-sender: $(VENV)/.dev ## Flood three senders, with faults and kills, before the judge (about twelve minutes)
	@KF_SENDER_PROOF=full $(BIN)/python -m pytest -q -s tests/integration/kf_sender/test_proof.py

chaos: $(VENV)/.dev ## Kill, freeze and spoil everything while customers write (KF_CHAOS=short or long, KF_CHAOS_SEEDS=1,2)
	@KF_CHAOS=$${KF_CHAOS:-short} KF_CHAOS_SEEDS=$${KF_CHAOS_SEEDS:-1,2,3,4,5} \
	  $(BIN)/python -m pytest -q -s tests/e2e/test_chaos.py

fuzz: $(VENV)/.dev ## Throw a million spoilt callbacks at the gateway (about five minutes; KF_FUZZ_SEED=1 repeats a run)
	@KF_FUZZ_CALLBACKS=$${KF_FUZZ_CALLBACKS:-1000000} $(BIN)/python -m pytest -q -s tests/integration/kf_gateway/test_fuzz.py

prove-dialog: $(VENV)/.dev ## Let 500 customers talk while the model is down for ten minutes (about twenty minutes)
	@KF_DIALOG_PROOF=full $(BIN)/python -m pytest -q -s tests/e2e/test_dialog.py

eval-dialog: $(VENV)/.runtime ## Hold all scripted conversations and score them; DEEPSEEK_API_KEY takes the real model
	@$(BIN)/kf eval dialog

prove-traces: $(VENV)/.dev ## Send 5,000 messages amid kills; is each trace whole? (a quarter of an hour)
	@KF_TRACES_PROOF=5000 $(BIN)/python -m pytest -q -s tests/e2e/test_trace_proof.py

bench: $(VENV)/.dev ## Measure what is promised, beside its peers, and write docs/performance.md (half an hour)
	@$(BIN)/python -m benchmarks.report

soak: $(VENV)/.dev ## Hours of steady conversations, and whether anything grows (SOAK="--hours 4 --rate 1")
	@$(BIN)/python -m benchmarks.soak $(SOAK)

lint: $(VENV)/.dev ## Check format, style, types, module borders and the proto files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint proto

	@if command -v kubectl > /dev/null || command -v kustomize > /dev/null; then $(MAKE) --no-print-directory k8s-lint; \
	else echo "lint: neither kubectl nor kustomize is here, the manifests of deploy/k8s were NOT checked"; fi

k8s-lint: $(VENV)/.dev $(VENV)/checkov/.ready ## Check Dockerfiles and Kubernetes manifests
	$(BIN)/hadolint deploy/docker/Dockerfile deploy/docker/testing/*.Dockerfile
	$(BIN)/yamllint --strict --config-file deploy/k8s/lint/yamllint.yaml deploy
	deploy/k8s/lint/lint $(BIN) $(VENV)/checkov/bin/checkov

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/.dev ## Regenerate the gRPC code from proto/
	$(BIN)/python -m grpc_tools.protoc -I proto --python_out=libs/contracts/src --pyi_out=libs/contracts/src \
	  --grpc_python_out=libs/contracts/src $(PROTO)

docs: $(VENV)/.dev ## Regenerate the settings and troubleshooting pages from the code
	$(BIN)/python docs/settings.py
	$(BIN)/python docs/accounts.py
	$(BIN)/python docs/troubleshooting.py

lock: $(VENV)/.uv ## Resolve constraints.txt anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --group dev \
	  --no-emit-package kf-contracts --no-emit-package kf-runtime --no-emit-package kf-wecom \
	  $(PACKAGES:%=%/pyproject.toml) --output-file constraints.txt

images: ## Build every container image (BASE_IMAGE=, INDEX_URL=, TAG= change the base, PyPI's mirror, the tag)
	@for service in $(IMAGES); do echo "kefu/$$service:$(TAG)"; \
	  docker build --quiet --file deploy/docker/Dockerfile --tag kefu/$$service:$(TAG) --build-arg SERVICE=$$service \
	    $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) $(if $(INDEX_URL),--build-arg INDEX_URL=$(INDEX_URL)) \
	    --build-arg VERSION=$(TAG) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) . || exit 1; \
	done

images-test: $(VENV)/.runtime ## Build the images where there is no registry and hold the demo conversation with them
	@$(BIN)/python deploy/docker/testing

k8s-test: $(VENV)/.runtime ## Try the demo overlay on the cluster of KUBECONFIG (IMAGE_PREFIX=, TAG= name the images)
	@TAG=$(TAG) $(BIN)/python deploy/k8s/testing

sbom: ## Write what each image contains to dist/ (CycloneDX)
	@mkdir -p dist
	@for service in $(IMAGES); do \
	  docker run --rm --interactive --network none --entrypoint /opt/kefu/bin/python kefu/$$service:$(TAG) - $$service \
	    < deploy/docker/sbom.py > dist/kefu-$$service-$(TAG).cdx.json || exit 1; \
	done; ls -l dist/*.cdx.json

compose-env: deploy/compose.env ## Make up the credentials that deploy/compose.yaml asks for

deploy/compose.env:
	@umask 077 && $(PYTHON) deploy/k8s/components/credentials/credentials.py env > $@
	@echo "Made $@. Now: docker compose --env-file $@ -f deploy/compose.yaml up -d"

clean: ## Remove the virtual environment, caches and local data
	rm -rf $(VENV) .kefu logs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Kefu needs Python 3.11 or newer; this is $$($(PYTHON) --version). Set PYTHON=python3.12, for example." >&2; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python3 -m venv failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@touch $@

$(VENV)/.runtime: $(VENV)/.uv $(MANIFESTS)
	@$(UV) $(PACKAGES:%=-e %)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(UV) --group dev
	@touch $@

$(VENV)/checkov/.ready: $(VENV)/.uv deploy/k8s/lint/checkov-constraints.txt
	@$(PYTHON) -m venv $(VENV)/checkov
	@$(BIN)/uv pip install --quiet --python $(VENV)/checkov/bin/python -r deploy/k8s/lint/checkov-constraints.txt
	@touch $@

.PHONY: help run demo doctor test prove-sender prove-traces prove-dialog eval-dialog chaos fuzz bench soak lint k8s-lint format proto docs lock images images-test k8s-test sbom compose-env clean
