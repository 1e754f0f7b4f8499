#!/usr/bin/env bash
# Kubernetes API 1.37 (k8s.io/api v0.37.2): the object of a watch's bookmark does not fit the schema of its own kind.
#
# A bookmark (`allowWatchBookmarks`) brings an object of the watched kind of which only the resource version counts. The server
# takes Go's zero value for the rest, in which a list that the schema requires is `null`: a Pod without containers, though
# OpenAPI says of `spec.containers` that it is required and an array. Whoever checks each event of a watch against the schema
# before asking for its type refuses every bookmark, and with it the stream. Events of the other types always have the array.
# An empty list inside a zero value is `null` too: a Deployment's bookmark has `"containers": null` in its pod template.
set -Eeuo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >go.mod <<'MOD'
module example.com/bookmark

go 1.26.0

require (
	k8s.io/api v0.37.2
	k8s.io/apimachinery v0.37.2
)
MOD
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	at := metav1.ObjectMeta{ResourceVersion: "812"}
	pod, _ := json.Marshal(corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}, ObjectMeta: at})
	fmt.Println(string(pod))
	deployment, _ := json.Marshal(appsv1.Deployment{ObjectMeta: at}.Spec.Template.Spec)
	fmt.Println(string(deployment))
	// What the schema says, as the documentation inside the types has it.
	fmt.Println(corev1.PodSpec{}.SwaggerDoc()["containers"])
}
GO
GOFLAGS=-mod=mod go run . 2>/dev/null | tee seen.txt

diff seen.txt - <<'SEEN'
{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"812"},"spec":{"containers":null},"status":{}}
{"containers":null}
List of containers belonging to the pod. Containers cannot currently be added or removed. There must be at least one container in a Pod. Cannot be updated.
SEEN
