#!/usr/bin/env bash
# Flux: under `force`, an object is deleted for a typo
#
# Versions: github.com/fluxcd/pkg/ssa 0.78.0, which applies what a Kustomization has; k8s.io/apimachinery as it requires.
#
# `force: true` is told to delete and create again what has "immutable field changes". Whatever the API server calls invalid (422) counts
# as such a change: a word that isn't in the enum of a CRD, a number where a text should be, a rule of a ValidatingAdmissionPolicy whose
# reason is Invalid. So does a conflict (409), and any error whose text has "is immutable" or "immutable field". The object is deleted,
# and what depends on it, before it is known that the other one can't be created. What is called forbidden (403) deletes nothing, and so
# a rule with the reason Forbidden is the safer one.
#
#     a word that isn't in an enum: immutable true
#     a rule that says Invalid: immutable true
#     a conflict: immutable true
#     a rule that says Forbidden: immutable false
#     a rule that says Forbidden, about an immutable field: immutable true
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat > main.go <<'GO'
package main

import (
	"fmt"

	ssa "github.com/fluxcd/pkg/ssa/errors"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func main() {
	kind, resource := schema.GroupKind{Group: "example.com", Kind: "Store"}, schema.GroupResource{Group: "example.com", Resource: "stores"}
	enum := field.NotSupported(field.NewPath("spec", "policy"), "retain", []string{"Delete", "Retain"})
	rule := fmt.Errorf("ValidatingAdmissionPolicy 'stores' with binding 'stores' denied request: spec.key names b, which is missing")
	fixed := fmt.Errorf("ValidatingAdmissionPolicy 'stores' with binding 'stores' denied request: spec.key is immutable")
	invalid := errors.NewInvalid(kind, "a", nil)
	invalid.ErrStatus.Message = rule.Error()
	for _, one := range []struct {
		name string
		err  error
	}{
		{"a word that isn't in an enum", errors.NewInvalid(kind, "a", field.ErrorList{enum})},
		{"a rule that says Invalid", invalid},
		{"a conflict", errors.NewConflict(resource, "a", rule)},
		{"a rule that says Forbidden", errors.NewForbidden(resource, "a", rule)},
		{"a rule that says Forbidden, about an immutable field", errors.NewForbidden(resource, "a", fixed)},
	} {
		fmt.Printf("%s: immutable %t\n", one.name, ssa.IsImmutableError(one.err))
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding >go.log 2>&1 && go get github.com/fluxcd/pkg/ssa@v0.78.0 >>go.log 2>&1 && go mod tidy >>go.log 2>&1 || { cat go.log; exit 1; }
said=$(go run .)
expected="a word that isn't in an enum: immutable true
a rule that says Invalid: immutable true
a conflict: immutable true
a rule that says Forbidden: immutable false
a rule that says Forbidden, about an immutable field: immutable true"
[ "$said" = "$expected" ] || { printf 'It is otherwise:\n%s\n' "$said"; exit 1; }
echo "as described"
