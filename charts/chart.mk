# Targets of the chart, for the Makefile at the top (which includes this file; paths are from there).
#
#   lint-chart      everything that can be said of the chart without a cluster, with the programs of tools/
#   chart-docs      the table of values in the chart's README, from values.yaml
#   chart-release   package this version and keep it under test/charts/released/
#   helm            the pinned Helm 3 and 4, for tests on a machine that has none

.PHONY: lint-chart chart-docs chart-release helm

lint-chart: node_modules/.package-lock.json ## lint the chart: helm lint, ct, yamllint, kubeconform, and its tests on every Helm
	@charts/lint.sh

chart-docs: ## write the table of values in the chart's README
	@npx tsx test/charts/values-table.ts

chart-release: chart-docs ## package the chart and keep it for the upgrade tests
	@npx tsx test/charts/release-chart.ts

helm: | node ## fetch the pinned Helm 3 and 4
	@npx tsx test/charts/pinned-helm.ts
