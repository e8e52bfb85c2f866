# SPDX-License-Identifier: Apache-2.0
# Everything a newcomer types. `make demo` and `make test` need root, on
# Debian 12; the rest does not.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/octavia-anycast
CONSTRAINTS := requirements/constraints.txt
INPUTS := pyproject.toml lab/pyproject.toml client/pyproject.toml \
	$(CONSTRAINTS) requirements/dev.txt
# An environment is made anew when what decides its content changes.
key = $(shell cat $(1) | sha256sum | cut -c1-16)
STAMP := $(VENV)/made-$(call key,$(INPUTS))
# Another one for Octavia's own tests, which import what the product does not.
UPSTREAM := $(VENV)-upstream
UPSTREAM_INPUTS := pyproject.toml $(CONSTRAINTS) requirements/upstream.txt
UPSTREAM_STAMP := $(UPSTREAM)/made-$(call key,$(UPSTREAM_INPUTS))
# And one for what builds the distributions and checks them.
PACKAGE := $(VENV)-package
PACKAGE_INPUTS := $(CONSTRAINTS) requirements/package.txt
PACKAGE_STAMP := $(PACKAGE)/made-$(call key,$(PACKAGE_INPUTS))
# One with Heat, and one with Ansible, whose collection for OpenStack wants an
# older openstacksdk.
CLIENTS := $(VENV)-clients
CLIENTS_INPUTS := pyproject.toml lab/pyproject.toml client/pyproject.toml \
	$(CONSTRAINTS) requirements/clients.txt
CLIENTS_STAMP := $(CLIENTS)/made-$(call key,$(CLIENTS_INPUTS))
ANSIBLE := $(VENV)-ansible
ANSIBLE_INPUTS := $(CONSTRAINTS) requirements/ansible.txt
ANSIBLE_STAMP := $(ANSIBLE)/made-$(call key,$(ANSIBLE_INPUTS))
# And one for tempest, which knows the product by its API alone.
TEMPEST := $(VENV)-tempest
TEMPEST_INPUTS := tempest_plugin/pyproject.toml $(CONSTRAINTS) \
	requirements/tempest.txt
TEMPEST_STAMP := $(TEMPEST)/made-$(call key,$(TEMPEST_INPUTS))
# And one for each older release of Octavia that the product works with.
RELEASE := 18
RELEASE_VENV := $(VENV)-release-$(RELEASE)
RELEASE_CONSTRAINTS := requirements/octavia-$(RELEASE).txt
ifeq ($(wildcard $(RELEASE_CONSTRAINTS)),)
$(error RELEASE=$(RELEASE): there is no $(RELEASE_CONSTRAINTS))
endif
RELEASE_INPUTS := pyproject.toml $(RELEASE_CONSTRAINTS) requirements/release.txt
RELEASE_STAMP := $(RELEASE_VENV)/made-$(call key,$(RELEASE_INPUTS))
# And one for the lab of virtual machines, which needs Nova.
VM := $(VENV)-vm
VM_INPUTS := $(INPUTS) requirements/vm.txt
VM_STAMP := $(VM)/made-$(call key,$(VM_INPUTS))
# Its image has a link of its own: that of `make image` may lead to a disk.
VM_LINK := amphora-vm-lab
VM_RAMDISK := $(CACHE)/$(VM_LINK)/amphora-anycast.initrd
PYTEST := $(BIN)/python -m pytest
# A process for each processor; the tests of one file stay together.
SPREAD := -n auto --dist loadfile
export PIP_CACHE_DIR := $(CACHE)/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: root $(shell sed -n 's/^\([a-z-]*\):.*\#\#.*/\1/p' Makefile)

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

venv: $(STAMP) ## Make the Python environment, if its inputs changed

$(STAMP): $(INPUTS)
	@tools/make-venv.sh "$(PYTHON)" "$(VENV)" "$@" requirements/dev.txt \
		. lab client

$(UPSTREAM_STAMP): $(UPSTREAM_INPUTS)
	@tools/make-venv.sh "$(PYTHON)" "$(UPSTREAM)" "$@" \
		requirements/upstream.txt .

$(PACKAGE_STAMP): $(PACKAGE_INPUTS)
	@tools/make-venv.sh "$(PYTHON)" "$(PACKAGE)" "$@" \
		requirements/package.txt

$(CLIENTS_STAMP): $(CLIENTS_INPUTS)
	@tools/make-venv.sh "$(PYTHON)" "$(CLIENTS)" "$@" \
		requirements/clients.txt . lab client

$(ANSIBLE_STAMP): $(ANSIBLE_INPUTS)
	@tools/make-venv.sh "$(PYTHON)" "$(ANSIBLE)" "$@" \
		requirements/ansible.txt

$(TEMPEST_STAMP): $(TEMPEST_INPUTS)
	@tools/make-venv.sh "$(PYTHON)" "$(TEMPEST)" "$@" \
		requirements/tempest.txt tempest_plugin

$(RELEASE_STAMP): $(RELEASE_INPUTS)
	@CONSTRAINTS=$(RELEASE_CONSTRAINTS) tools/make-venv.sh "$(PYTHON)" \
		"$(RELEASE_VENV)" "$@" requirements/release.txt ".[agent,etcd]"

# libvirt's bindings are compiled: its headers have to be there first.
$(VM_STAMP): $(VM_INPUTS)
	@tools/install-packages.sh vm
	@tools/make-venv.sh "$(PYTHON)" "$(VM)" "$@" requirements/vm.txt \
		. lab client

packages: ## Install missing Debian packages (root)
	@tools/install-packages.sh

vm-packages: packages ## And those of the lab of virtual machines (root)
	@tools/install-packages.sh vm

browser-packages: ## And the browser in which the picture is tested (root)
	@tools/install-packages.sh browser

bpf: ## Compile flow rescue's program, if it changed
	@tools/compile-bpf.sh

image: ## Build the amphora image and check it; IMAGE_LAYOUT=, IMAGE_REBUILD=1 (root)
	@tools/build-image.sh "$(PYTHON)"

root:
	@[ "$$(id -u)" -eq 0 ] || { echo "This makes network namespaces and \
	containers: run it as root. Nothing was changed." >&2; exit 1; }

lint: $(STAMP) ## ruff, mypy --strict, import-linter, documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs

format: $(STAMP) ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: root packages browser-packages bpf $(STAMP) ## Every suite of ours (root)
	OA_LAB_REQUIRED=1 tools/run-suites.sh $(BIN)/python $(ARGS)

test-all: ## These, Octavia's own, an older Octavia, three controllers, an upgrade, 22 rounds of chaos (root)
	$(MAKE) test
	$(MAKE) test-upstream
	$(MAKE) test-release
	$(MAKE) test-ha
	$(MAKE) test-fleet
	$(MAKE) test-upgrade
	$(MAKE) chaos SEED=$(or $(SEED),11) ROUNDS=$(or $(ROUNDS),22)

test-unit: $(STAMP) ## No I/O, seconds
	$(PYTEST) $(SPREAD) octavia_anycast/tests/unit lab/tests/unit $(ARGS)

test-functional: $(STAMP) ## The API over WSGI, flows against fakes
	$(PYTEST) $(SPREAD) octavia_anycast/tests/functional $(ARGS)

test-client: $(STAMP) ## The SDK and the commands of openstack
	$(PYTEST) $(SPREAD) client/tests $(ARGS)

test-clients: root packages bpf $(CLIENTS_STAMP) $(ANSIBLE_STAMP) ## Ansible, Heat, openstacksdk, as the guide has them (root)
	OA_LAB_REQUIRED=1 OA_LAB=$${OA_LAB:-oatc} \
		PATH="$$PATH:$(abspath $(ANSIBLE))/bin" $(CLIENTS)/bin/python -m pytest \
		lab/tests/automation $(ARGS)

test-contract: packages bpf $(STAMP) ## Speaker drivers against real daemons, flow rescue in the kernel
	$(PYTEST) octavia_anycast/tests/contract $(ARGS)

test-upstream: root packages $(UPSTREAM_STAMP) ## Octavia's own tests of its API, against ours (root)
	tools/run-upstream.sh $(UPSTREAM)/bin/python -n auto $(ARGS)

test-release: $(RELEASE_STAMP) ## Unit and functional tests with an older Octavia; RELEASE=18
	PYTHONPATH=lab $(RELEASE_VENV)/bin/python -m pytest $(SPREAD) \
		octavia_anycast/tests/unit octavia_anycast/tests/functional $(ARGS)

test-package: $(PACKAGE_STAMP) ## Wheels and sdists: built, compared, installed alone
	$(PACKAGE)/bin/python tools/check_package.py $(ARGS)

test-tempest: root packages bpf $(STAMP) $(TEMPEST_STAMP) ## Our tempest plug-in, then Octavia's API tests, in a lab (root)
	$(BIN)/python -m octavia_anycast_lab.tempest $(TEMPEST)/bin \
		doc/source/contributor/tempest-skips.toml $(ARGS)

test-search: $(STAMP) ## Properties on new random histories, ROUNDS= times
	for round in $$(seq $(or $(ROUNDS),5)); do \
		$(PYTEST) -q octavia_anycast/tests/unit -m hypothesis \
			--hypothesis-profile=search $(ARGS) || exit 1; done

test-lab: root packages $(STAMP) ## The real thing, in namespaces (root)
	OA_LAB_REQUIRED=1 $(PYTEST) lab/tests --ignore=lab/tests/upgrade $(ARGS)

test-ha: root packages bpf $(STAMP) ## Three controllers on etcd and Galera, under faults (root)
	OA_LAB_REQUIRED=1 OA_HA=1 $(PYTEST) lab/tests/ha $(ARGS)

test-fleet: root packages bpf $(STAMP) ## Zone drains and fleet changes under traffic (root)
	OA_LAB_REQUIRED=1 OA_FLEET=1 $(PYTEST) lab/tests/fleet $(ARGS)

test-upgrade: root packages bpf $(STAMP) ## From the last release's source to this one, under traffic; NODES=3 with etcd and Galera (root)
	OA_LAB_REQUIRED=1 OA_UPGRADE_NODES=$(NODES) $(PYTEST) lab/tests/upgrade $(ARGS)

chaos: root packages $(STAMP) ## Faults alone and in pairs; SEED=, ROUNDS=, FIRST=, FAULTS=a,b+c, DRIVER=bird, CONTROLLERS=3 (root)
	OA_LAB_REQUIRED=1 OA_CHAOS_SEED=$(or $(SEED),4) OA_CHAOS_FIRST=$(FIRST) \
		OA_CHAOS_DRIVER=$(or $(DRIVER),bird) \
		OA_CHAOS_CONTROLLERS=$(or $(CONTROLLERS),1) \
		OA_CHAOS_ROUNDS=$(or $(ROUNDS),40) OA_CHAOS_FAULTS=$(FAULTS) \
		$(PYTEST) -s lab/tests/cluster/test_chaos.py $(ARGS)

test-alerts: root packages bpf $(STAMP) ## Each fault that has an alert raises it in Prometheus; FAULTS=a,b (root)
	OA_LAB_REQUIRED=1 OA_ALERTS=$(or $(FAULTS),all) \
		$(PYTEST) -s lab/tests/monitoring $(ARGS)

demo: root packages $(STAMP) ## Watch it work (root)
	@$(BIN)/python -m octavia_anycast_lab.demo

bench: root packages $(STAMP) ## Figures and ratios; NAME=... for one, RUNS=, HELD=, ROWS="a b" (root)
	@$(BIN)/python -m octavia_anycast_lab.bench \
		$(if $(NAME),--name $(NAME)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(HELD),--held $(HELD)) $(if $(ROWS),--rows $(ROWS))

statuses: root packages $(STAMP) ## Our statuses beside Octavia's own provider's; RECORD=1 keeps those (root)
	@$(BIN)/python -m octavia_anycast_lab.statuses $(if $(RECORD),--record)

lab-up: root packages $(STAMP) ## Bring the lab up, or repair it (root)
	@$(BIN)/octavia-anycast-lab up

lab-down: root $(STAMP) ## Remove the lab (root)
	@$(BIN)/octavia-anycast-lab down

lab-status: root $(STAMP) ## What runs (root)
	@$(BIN)/octavia-anycast-lab status

lab-shell: root $(STAMP) ## A shell with credentials, inside the lab (root)
	@$(BIN)/octavia-anycast-lab shell

vm-up: root vm-packages $(VM_STAMP) ## Bring the lab of virtual machines up, with its image if there is none (root)
	@[ -e "$(VM_RAMDISK)" ] || $(MAKE) --no-print-directory vm-image
	@$(VM)/bin/python -m octavia_anycast_lab.vm up

vm-down: root $(VM_STAMP) ## Remove that lab (root)
	@$(VM)/bin/python -m octavia_anycast_lab.vm down

vm-status: root $(VM_STAMP) ## What runs of it (root)
	@$(VM)/bin/python -m octavia_anycast_lab.vm status

demo-vm: root vm-image $(VM_STAMP) ## Watch a load balancer on virtual machines (root)
	@$(VM)/bin/python -m octavia_anycast_lab.vm.demo

test-vm: root vm-image $(VM_STAMP) ## Tests on virtual machines (root)
	$(VM)/bin/python -m pytest lab/vm_tests $(ARGS)

test-vm-guide: root vm-image $(VM_STAMP) ## The install guide, typed on virtual machines (root)
	@$(MAKE) --no-print-directory image
	$(VM)/bin/python -m pytest -s lab/vm_guide $(ARGS)

vm-image: root vm-packages ## Build the image of that lab, or find it in the cache (root)
	@IMAGE_LAYOUT=root IMAGE_LINK=$(VM_LINK) \
		tools/build-image.sh "$(PYTHON)"

screenshots: $(STAMP) ## Make the pictures of the guide anew, with Chromium
	$(BIN)/python -W ignore tools/picture_screenshots.py

docs: $(STAMP) ## Check and build the documentation; warnings are errors
	$(BIN)/python tools/check_documents.py
	$(BIN)/reno -q lint
	$(BIN)/sphinx-build -E -W --keep-going -n -q -b html doc/source \
		doc/build/html

clean: ## Remove both labs, the environments and all caches
	@if [ -x $(VM)/bin/octavia-anycast-lab ] && [ "$$(id -u)" -eq 0 ]; then \
		$(VM)/bin/python -m octavia_anycast_lab.vm down; fi
	@if [ -x $(BIN)/octavia-anycast-lab ] && [ "$$(id -u)" -eq 0 ]; then \
		$(BIN)/octavia-anycast-lab clean; fi
	rm -rf $(VENV) $(VENV).lock $(VENV)-* $(CACHE) .tox cover \
		doc/build .ci/logs .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache .hypothesis build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
