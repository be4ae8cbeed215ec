# Each target makes .venv from the lock first (milliseconds when it is there).
#   make demo                              the whole box on simulated cameras
#   make run   ARGS="--data /srv/aries"    the box on real cameras
#   make test  ARGS="tests/base -x"        lint, types, floors, tests; ARGS goes to pytest, which without
#                                          runs two files at a time: they wait more than they compute
#                                          (a worker that dies ends the run: restarted, xdist waits for ever)
#   make bench ARGS="recording"            JSON lines of figures
#   make lint                              ruff, mypy --strict, import-linter
#   make image                             the disk image and the root of a boot slot (as root; not for make test)
#   make bundle ARGS="--key … --certificate …"   a signed bundle of that root
#   make image-test ARGS="update"          a life of it in qemu, or one chapter; without an image it makes one
PYTHON ?= python3
ARGS ?=
PY := .venv/bin/python

# The environment's own Python checks its stamp faster than a shell could; without one, any python3.
BOOT = if [ -x $(PY) ]; then $(PY) -I -S bootstrap.py $(1); \
	elif command -v $(PYTHON) >/dev/null 2>&1; then $(PYTHON) bootstrap.py $(1); \
	else echo 'There is no python3. One command mends it: sudo apt-get install -y python3 python3-venv' >&2; exit 1; fi

.PHONY: demo run test bench lint image bundle image-test
.SILENT:

demo:
	$(call BOOT,base) && exec $(PY) -m appliance demo $(ARGS)

run:
	$(call BOOT,base) && exec $(PY) -m appliance run $(ARGS)

test: lint
	$(PY) bootstrap.py tools
	exec $(PY) -m pytest -m "not long" $(or $(ARGS),-n 2 --dist loadfile --max-worker-restart=0)

bench:
	$(call BOOT,dev) && exec $(PY) tests/bench/__main__.py $(ARGS)

lint:
	$(call BOOT,dev)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check --quiet . || { $(PY) -m ruff format --diff . ; exit 1; }
	$(PY) -m mypy
	.venv/bin/lint-imports

image:
	$(call BOOT,dev) && exec $(PY) -m firmware.image $(ARGS)

bundle:
	$(call BOOT,dev) && exec $(PY) -m firmware.bundle $(ARGS)

image-test:
	$(call BOOT,dev) && exec $(PY) -m firmware.life $(ARGS)
