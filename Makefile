# Everything that a person runs from the top of the repository. `make` alone lists it.

LAB := deploy/embedded/lab

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { print substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Embedded cluster (root, Linux; no Docker): see deploy/embedded/README.md
.PHONY: up down purge status kubeconfig bin-path test-embedded
up: ## start Kubernetes, three Kafka brokers and Redis, and wait until they serve; MONITORING=1 adds Prometheus
	@$(LAB) up $(if $(MONITORING),--monitoring)
down: ## stop them and leave nothing behind but their data
	@$(LAB) down
purge: ## stop them and delete their data
	@$(LAB) down --purge
status: ## what runs
	@$(LAB) status
kubeconfig: ## print a path, for export KUBECONFIG=$(make -s kubeconfig)
	@$(LAB) kubeconfig
bin-path: ## print the directory of kubectl and helm, for PATH=$(make -s bin-path):$PATH
	@$(LAB) bin-path
test-embedded: ## test the embedded cluster itself: stops and restarts it (about 5 minutes)
	@deploy/embedded/selftest.sh

##@ eoslab
.PHONY: install demo chaos test bench kind
install: ## build eoslab and install it on the embedded cluster by its chart
	@deploy/install.sh
demo: ## the main job: cluster, eoslab, one LoadTest, its verdict
	@deploy/demo.sh
chaos: ## broker, counters, Redis and producer die under load, and the verdict on it
	@deploy/chaos.sh
test: ## unit, integration and end-to-end tests (without the long searches and test-embedded)
	@deploy/test.sh
bench: ## measure against rivals on the embedded brokers, and print ratios
	@deploy/bench/bench.sh
kind: ## kind, Strimzi, Kafka and the same LoadTest (needs Docker, kind, helm and kubectl)
	@deploy/strimzi/kind-up.sh
