// The four programs of a Kubernetes node in one binary, chosen by its first argument, for a test cluster on a machine
// that can pull no image. One binary, since they share nearly all of their code: four would be four times the link time.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as upstream's own main packages do
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name := os.Args[1]
	command := newCommand(name)
	if command == nil {
		usage()
	}
	// Each program reads os.Args itself (the kubelet parses its flags twice), so the name goes away here.
	os.Args = append([]string{name}, os.Args[2:]...)
	os.Exit(cli.Run(command))
}

func newCommand(name string) *cobra.Command {
	switch name {
	case "kube-apiserver":
		return apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		return controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	}
	return nil
}

func usage() {
	fmt.Fprintf(os.Stderr, "usage: %s kube-apiserver|kube-controller-manager|kube-scheduler|kubelet [FLAG…]\n", filepath.Base(os.Args[0]))
	os.Exit(2)
}
