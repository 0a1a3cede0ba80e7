package kstatus

import (
	"os"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// What Argo CD has to say where kstatus says this. It has no word for an object that is being deleted: it says whether that goes on.
var words = map[status.Status][]string{
	status.CurrentStatus:     {"Healthy"},
	status.InProgressStatus:  {"Progressing"},
	status.FailedStatus:      {"Degraded"},
	status.TerminatingStatus: {"Progressing", "Degraded"},
}

func TestTheCheckForArgoCDSaysOfEveryStateWhatKstatusSays(t *testing.T) {
	content, err := os.ReadFile("../../gitops/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var patch struct{ Data map[string]string }
	if err := yaml.Unmarshal(content, &patch); err != nil {
		t.Fatal(err)
	}
	check := patch.Data["resource.customizations.health.kopf.demo_DatabaseTable"]
	for _, state := range states(t) {
		t.Run(state.Name, func(t *testing.T) {
			said, message := health(t, check, state.Object)
			for _, word := range words[state.Expected] {
				if said == word {
					if said == "Degraded" && message == "" {
						t.Error("nothing says why")
					}
					return
				}
			}
			t.Errorf("the check says %s (%s) where kstatus says %s", said, message, state.Expected)
		})
	}
}

// The answer of a check, run as Argo CD runs it: with the interpreter that Argo CD uses, and little of Lua's library.
func health(t *testing.T, check string, object map[string]any) (string, string) {
	interpreter := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer interpreter.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		interpreter.Push(interpreter.NewFunction(open))
		interpreter.Push(lua.LString(name))
		interpreter.Call(1, 0)
	}
	interpreter.SetGlobal("obj", value(interpreter, object))
	if err := interpreter.DoString(check); err != nil {
		t.Fatal(err)
	}
	answer, is := interpreter.Get(-1).(*lua.LTable)
	if !is {
		t.Fatalf("the check returns %s", interpreter.Get(-1))
	}
	return answer.RawGetString("status").String(), lua.LVAsString(answer.RawGetString("message"))
}

func value(interpreter *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case map[string]any:
		table := interpreter.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(interpreter, item))
		}
		return table
	case []any:
		table := interpreter.NewTable()
		for _, item := range from {
			table.Append(value(interpreter, item))
		}
		return table
	case string:
		return lua.LString(from)
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	}
	return lua.LNil
}
