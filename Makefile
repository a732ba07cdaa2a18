# make demo   de-identify a small archive and query its audit
# make test   the tests
# make azurite   the emulator of Azure for the tests, which skip without it (npm, 0.2 GB)
# make bench  the benchmarks beside their peers; BENCH="tags text" chooses
# make scale   all tests of distribution, the heavier ones too, with Spark 3.5 beside the project's (1 GB; needs Maven)
# make airflow   the DAGs of configs/airflow, in an Airflow of their own (0.5 GB)
# All create their environment on their first call and are quick afterwards.
PYTHON ?= python3
VENV := .venv
AIRFLOW := .venv-airflow
SPARK := .venv-spark35
SPARK_VERSION := 3.5.9
BIN := $(VENV)/bin
UV := 0.13.8
AZURITE := 3.35.0
# Without it every process of a machine that writes no bytecode compiles all libraries again: seconds of each start.
export UV_COMPILE_BYTECODE ?= 1
# An installation that breaks off (a full disk) leaves a package in part, which uv would take for whole: only a whole one has INSTALLER.
FORGET_PARTS := find $(VENV)/lib $(VENV)/readers -maxdepth 3 -name '*.dist-info' ! -exec test -e '{}/INSTALLER' \; -prune -exec rm -r {} + 2>/dev/null || true

.PHONY: demo test lint lock bench scale airflow azurite clean

# pydicom's bundled files, a third of them not DICOM or broken on purpose, and 24 images with a patient's identity burned in.
demo: $(VENV)/.demo demo/archive
	$(BIN)/dicom-deid run --config configs/basic.yaml --input demo/archive --output demo/out --secret-file demo/secret --workers 2
	@echo; cat configs/sql/demo.sql; cd demo/out && ../../$(BIN)/python -c "import duckdb; print(duckdb.sql(open('../../configs/sql/demo.sql').read()))"

demo/archive:
	@rm -rf demo && mkdir demo
	@$(BIN)/python -c "import secrets; print(secrets.token_hex(32))" > demo/secret
	$(BIN)/dicom-deid synth demo/synth --count 24 --clean 6
	@cp -R $$($(BIN)/python -c "import pydicom.data, pathlib; print(pathlib.Path(pydicom.data.__file__).parent)")/test_files demo/bundled
	@mkdir demo/.archive && mv demo/bundled demo/synth/dicom demo/.archive && mv demo/.archive demo/archive

test: $(VENV)/.test
	@PATH="$(CURDIR)/$(VENV)/azurite/node_modules/.bin:$$PATH" $(BIN)/python -m pytest

azurite: $(VENV)/.azurite-$(AZURITE)

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.bench
	@$(BIN)/python -m tests.bench $(BENCH)

scale: export DICOM_DEID_SPARK_PYTHON = $(CURDIR)/$(SPARK)/bin/python
scale: export DICOM_DEID_JOB_SERVER = $(CURDIR)/$(SPARK)/jars
scale: $(VENV)/.test azurite $(SPARK)/.installed
	@PATH="$(CURDIR)/$(VENV)/azurite/node_modules/.bin:$$PATH" $(BIN)/python -m pytest --scale tests/scale

airflow: $(VENV)/.test $(AIRFLOW)/.installed
	@$(BIN)/python -m pytest --scale tests/airflow

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else "Python 3.11 or 3.12 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV)

$(VENV)/.demo: setup.py requirements.txt $(VENV)/bin/uv
	@$(FORGET_PARTS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt --editable .
	@touch $@

# By itself: it comes as a source, and takes 2 GB while it is built.
$(VENV)/.pyspark: requirements.txt $(VENV)/bin/uv
	@$(FORGET_PARTS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt pyspark
	@touch $@

$(VENV)/.test: setup.py requirements.txt $(VENV)/.pyspark
	@$(FORGET_PARTS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt --editable '.[dev,spark,aws,gcp,azure,tesserocr,video]'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt --target $(VENV)/readers --no-deps pandas
	-@if command -v java >/dev/null; then $(BIN)/python -m pipeline.spark_classes; fi  # Spark starts without it, in twice the time
	@touch $@

$(VENV)/.azurite-$(AZURITE): $(VENV)/bin/uv
	npm install --silent --no-audit --no-fund --prefix $(VENV)/azurite azurite@$(AZURITE)
	@touch $@

$(VENV)/.bench: $(VENV)/.test tests/bench/overrides.txt
	@$(FORGET_PARTS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt --override tests/bench/overrides.txt --editable '.[bench,video]'
	@touch $@

$(AIRFLOW)/.installed: configs/airflow/requirements.txt $(VENV)/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(AIRFLOW)
	$(BIN)/uv pip install --quiet --python $(AIRFLOW)/bin/python --requirement configs/airflow/requirements.txt
	@touch $@

$(SPARK)/.installed: setup.py requirements.txt configs/beam-spark/pom.xml $(VENV)/bin/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SPARK)
	$(BIN)/uv pip install --quiet --python $(SPARK)/bin/python --constraint requirements.txt --editable .
	$(BIN)/uv pip install --quiet --python $(SPARK)/bin/python pyspark==$(SPARK_VERSION)
	$(SPARK)/bin/python -m pipeline.spark_classes
	mvn --quiet --file configs/beam-spark/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(SPARK)/jars
	@touch $@

lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile setup.py --all-extras --universal --python-version 3.11 --override tests/bench/overrides.txt --quiet --no-annotate --output-file requirements.txt
	$(BIN)/uv pip compile configs/airflow/requirements.in --universal --python-version 3.11 --quiet --no-annotate --output-file configs/airflow/requirements.txt

clean:
	rm -rf $(VENV) $(AIRFLOW) $(SPARK) demo
