// What kstatus, which Flux and Helm follow, says of a DatabaseTable in every state.
//
// The states come from the operator: operator/tests/postgres/kstatus.rs brings a table into each of them, writes the
// objects into a file, and runs this test.
package kstatus

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A state, and what kstatus has to say of it.
type state struct {
	Name     string
	Expected status.Status
	Object   map[string]any
}

func states(t *testing.T) []state {
	path := os.Getenv("KSTATUS_STATES")
	if path == "" {
		t.Fatal("KSTATUS_STATES names no file: run cargo test -p database-table-operator --test postgres kstatus")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var states []state
	if err := json.Unmarshal(content, &states); err != nil {
		t.Fatal(err)
	}
	if len(states) == 0 {
		t.Fatal("there are no states")
	}
	return states
}

func TestEveryStateIsWhatToolsShouldMakeOfIt(t *testing.T) {
	for _, state := range states(t) {
		t.Run(state.Name, func(t *testing.T) {
			// Numbers as in a client's object: integers, not floats.
			text, err := json.Marshal(state.Object)
			if err != nil {
				t.Fatal(err)
			}
			object := &unstructured.Unstructured{}
			if err := object.UnmarshalJSON(text); err != nil {
				t.Fatal(err)
			}
			result, err := status.Compute(object)
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != state.Expected {
				t.Errorf("kstatus says %s (%s), and not %s", result.Status, result.Message, state.Expected)
			}
		})
	}
}
