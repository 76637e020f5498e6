// Command check-kind decodes a kind configuration strictly with kind's own types, applies kind's own defaults, and says
// what `kind create cluster` would make of it. Exit 1 and the reason when it cannot be right.
package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check-kind FILE")
		os.Exit(2)
	}
	cluster, err := load(os.Args[1])
	if err == nil {
		err = check(cluster)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("kind: cluster %s of %d nodes\n", cluster.Name, len(cluster.Nodes))
}

func load(path string) (*v1alpha4.Cluster, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cluster := &v1alpha4.Cluster{}
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(cluster); err != nil {
		return nil, err
	}
	if decoder.Decode(&v1alpha4.Cluster{}) == nil {
		return nil, errors.New("holds more than one document, and kind reads only the first")
	}
	v1alpha4.SetDefaultsCluster(cluster)
	return cluster, nil
}

// What kind checks before it creates anything, as far as this file uses it.
func check(cluster *v1alpha4.Cluster) error {
	if cluster.Kind != "Cluster" || cluster.APIVersion != "kind.x-k8s.io/v1alpha4" {
		return fmt.Errorf("is a %s of %s, not a Cluster of kind.x-k8s.io/v1alpha4", cluster.Kind, cluster.APIVersion)
	}
	if !regexp.MustCompile(`^[a-z0-9.-]+$`).MatchString(cluster.Name) {
		return fmt.Errorf("%q cannot be the name of a cluster", cluster.Name)
	}
	controlPlanes := 0
	for number, node := range cluster.Nodes {
		switch node.Role {
		case v1alpha4.ControlPlaneRole:
			controlPlanes++
		case v1alpha4.WorkerRole:
		default:
			return fmt.Errorf("node %d has the role %q", number, node.Role)
		}
	}
	if controlPlanes == 0 {
		return errors.New("has no control plane")
	}
	return nil
}
