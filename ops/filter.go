package ops

import (
	"reflect"
	"strings"

	"github.com/hashicorp/go-bexpr"

	"muster/model"
)

// maxFilterLen is how long a filter expression may be, in bytes.
const maxFilterLen = 8 << 10

// maxFilterSteps bounds the work of reading one: it grows exponentially with
// the depth of parentheses, and "((((((" alone would keep a processor busy for
// half a minute. This many steps take a twentieth of a second, and are enough
// for five levels.
const maxFilterSteps = 500_000

// filter returns the items that satisfy an expression, in a new list; without
// an expression, the list itself.
func filter[T any](list []T, expr string) ([]T, error) {
	if expr == "" {
		return list, nil
	}
	eval, err := evaluator(reflect.TypeFor[T](), expr)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(list))
	for _, item := range list {
		ok, err := eval.Evaluate(item)
		if err != nil {
			return nil, model.Errorf(model.Internal, "%s", err.Error())
		}
		if ok {
			out = append(out, item)
		}
	}
	return out, nil
}

// Filter returns the items that satisfy an expression.
func Filter[T any](list []T, expr string) ([]T, error) { return filter(list, expr) }

// FilterMap returns the items of a map that satisfy an expression.
func FilterMap[T any](m map[string]T, expr string) (map[string]T, error) {
	if expr == "" {
		return m, nil
	}
	eval, err := evaluator(reflect.TypeFor[T](), expr)
	if err != nil {
		return nil, err
	}
	out := make(map[string]T, len(m))
	for k, item := range m {
		ok, err := eval.Evaluate(item)
		if err != nil {
			return nil, model.Errorf(model.Internal, "%s", err.Error())
		}
		if ok {
			out[k] = item
		}
	}
	return out, nil
}

// tryReading is an error if an expression takes too much work to read, or
// can't be read at all.
func tryReading(expr string) error {
	if strings.Count(expr, "(") < 2 {
		return nil // linear
	}
	_, err := bexpr.Parse("", []byte(expr), bexpr.MaxExpressions(maxFilterSteps))
	return err
}

func evaluator(typ reflect.Type, expr string) (*bexpr.Evaluator, error) {
	if len(expr) > maxFilterLen {
		return nil, model.Errorf(model.BadRequest, "filter is %d bytes long, at most %d are allowed", len(expr), maxFilterLen)
	}
	var e *bexpr.Evaluator
	err := tryReading(expr)
	if err == nil {
		e, err = bexpr.CreateEvaluatorForType(expr, nil, typ)
	}
	if err != nil {
		return nil, model.Errorf(model.Internal, "Failed to create boolean expression evaluator: %s", strings.TrimSpace(err.Error()))
	}
	return e, nil
}
