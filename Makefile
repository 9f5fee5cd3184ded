# make demo · make test: each does the whole set-up (a virtual environment in .venv) and then its work.
# Settings: PYTHON=python3.12 chooses the interpreter, VENV=/elsewhere the environment,
# PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" is handed to pip (here: a smaller torch, no CUDA),
# WORKERS=4 runs the tests in as many processes (three by default: one mostly waits for others).

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo serve test check bench clean distclean

VENV ?= .venv
PIP_ARGS ?=
WORKERS ?= 3
PORT ?= 8000
BIN := $(VENV)/bin
INSTALL := PYTHONUNBUFFERED=1 $(BIN)/python -m pip --disable-pip-version-check install \
  --progress-bar off --no-compile $(PIP_ARGS)
# One line a large package, so that a long download is seen to move; pip's warnings and errors stay on stderr.
SHOW := awk '/^ *(Downloading|Using cached) .*[MG]B\)/ {print "  " $$0; fflush()} \
             /^Installing collected/ {print "  Unpacking, which takes a minute …"; fflush()}'
INPUTS := pyproject.toml constraints.txt

help:
	@echo "make demo   label a real photograph, score a conversation (sets everything up)"
	@echo "make serve  start the web app on this machine (sets everything up; PORT=8001 for another port)"
	@echo "make test   run the tests (sets everything up)"
	@echo "make check  ruff, mypy, import-linter"
	@echo "make bench  measure speed against what else one would use"
	@echo "make clean  remove what these made, but for $(VENV), which make distclean removes too"

$(BIN)/python:
	@for python in $${PYTHON:-python3 python3.12 python3.13 python3.11 python}; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "Error: no Python 3.11 or newer was found: install one, or name it with make PYTHON=/path/to/python3." >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "Error: $$found cannot make virtual environments: install its venv package (Debian, Ubuntu: sudo apt install python3-venv)." >&2; exit 1; \
	fi; \
	echo "Making the virtual environment $(VENV) with $$("$$found" --version) …"; \
	"$$found" -m venv "$(VENV)"

$(VENV)/.installed: $(BIN)/python $(INPUTS)
	@echo "Installing clip-emotion and what it needs; torch is large, so this takes one to four minutes …"
	@set -o pipefail; $(INSTALL) -c constraints.txt -e . | $(SHOW)
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python $(INPUTS)
	@echo "Installing clip-emotion and its test tools; torch is large, so this takes one to four minutes …"
	@set -o pipefail; $(INSTALL) -c constraints.txt -e '.[dev]' | $(SHOW)
	@touch $(VENV)/.installed $(VENV)/.installed-web $@

$(VENV)/.installed-web: $(BIN)/python $(INPUTS)
	@echo "Installing clip-emotion with its web app; torch is large, so this takes one to four minutes …"
	@set -o pipefail; $(INSTALL) -c constraints.txt -e '.[web]' | $(SHOW)
	@touch $(VENV)/.installed $@

demo: $(VENV)/.installed
	@set -eu; photo=$$($(BIN)/python -c "from matplotlib import cbook; print(cbook.get_sample_data('grace_hopper.jpg', asfileobj=False))"); \
	echo; echo "Grace Hopper's portrait, which matplotlib carries, in KOTE's 44 Korean emotions:"; \
	$(BIN)/clip-emotion label "$$photo" --vocab kote44 --lang ko --report demo-report --overwrite; \
	echo; echo "The same with three words of one's own:"; \
	$(BIN)/clip-emotion label "$$photo" --labels "자신감,비장함,설렘"; \
	echo; echo "And in GoEmotions' 28 English emotions:"; \
	$(BIN)/clip-emotion label "$$photo" --vocab goemotions28 --lang en; \
	echo; echo "How warm is a conversation? An invented chat of two people, as KakaoTalk exports it:"; \
	$(BIN)/clip-emotion score docs/examples/kakao_sample.txt --report demo-report/score --overwrite; \
	echo; echo "The conversation's page: demo-report/score/index.html"; \
	echo "The contact sheet lies in demo-report: open $$(ls demo-report/*.html | head -n 1) in a browser."

serve: $(VENV)/.installed-web
	@$(BIN)/clip-emotion serve --port $(PORT)

test: $(VENV)/.installed-dev
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/label.py

clean:
	rm -rf build dist demo-report .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find clip_emotion scoring tuning tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	@if [ -f "$(VENV)/pyvenv.cfg" ]; then echo 'rm -rf "$(VENV)"'; rm -rf "$(VENV)"; fi
