package cli

import (
	"flag"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

// operatorUsage counts what is in the catalog. Without flags it shows all that is
// counted; each flag of a kind chooses that kind.
type operatorUsage struct{ all, billable, connect bool }

func (u *operatorUsage) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator usage instances [options]",
		Synopsis: "Count nodes, services and their instances",
		Text: `
Counts the nodes and services of a datacenter, or of all. Billable is what
counted for licences of Consul: instances of services other than the servers'
own and proxies.

    $ muster operator usage instances
    $ muster operator usage instances -all-datacenters -billable`,
		Groups: command.HTTP | command.Server,
	}
}

func (u *operatorUsage) Flags(f *flag.FlagSet) {
	f.BoolVar(&u.all, "all-datacenters", false, "Count in all known datacenters.")
	f.BoolVar(&u.billable, "billable", false, "Show the billable service instances only.")
	f.BoolVar(&u.connect, "connect", false, "Show the instances of the service mesh only.")
}

func (u *operatorUsage) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	q := c.Query()
	q.Global = u.all
	answer, _, err := client.Operator().Usage(q)
	if err != nil {
		return c.Fail("Error fetching usage information: %s", err)
	}
	both := u.billable == u.connect
	if both || u.billable {
		sum := 0
		for _, usage := range answer.Usage {
			sum += usage.BillableServiceInstances
		}
		c.Printf("Billable Service Instances Total: %d", sum)
	}
	if both {
		c.Println("\nNodes")
		c.Table(u.table(answer.Usage, []string{"Nodes"}, func(s api.ServiceUsage) [][]any { return [][]any{{s.Nodes}} }))
	}
	if both || u.billable {
		c.Println("\nBillable Services")
		c.Table(u.table(answer.Usage, []string{"Services", "Service instances"}, func(s api.ServiceUsage) [][]any {
			return [][]any{{s.Services, s.BillableServiceInstances}}
		}))
	}
	if both || u.connect {
		if both {
			c.Println()
		}
		c.Println("Connect Services")
		c.Table(u.table(answer.Usage, []string{"Type", "Service instances"}, func(s api.ServiceUsage) (rows [][]any) {
			for _, kind := range slices.Sorted(maps.Keys(s.ConnectServiceInstances)) {
				rows = append(rows, []any{kind, s.ConnectServiceInstances[kind]})
			}
			return rows
		}))
	}
	return 0
}

// table has the rows of each datacenter, by name. With all datacenters it says
// which one a row is of, and ends with the sums.
func (u *operatorUsage) table(usage map[string]api.ServiceUsage, header []string, rowsOf func(api.ServiceUsage) [][]any) [][]string {
	table := [][]string{header}
	if u.all {
		table[0] = append([]string{"Datacenter"}, header...)
	}
	sums := make([]int, len(header))
	for _, dc := range slices.Sorted(maps.Keys(usage)) {
		for _, cells := range rowsOf(usage[dc]) {
			var row []string
			if u.all {
				row = append(row, dc)
			}
			for i, cell := range cells {
				if n, ok := cell.(int); ok {
					sums[i] += n
				}
				row = append(row, fmt.Sprint(cell))
			}
			table = append(table, row)
		}
	}
	if u.all {
		total := []string{"Total"}
		for i, name := range header {
			if name == "Type" {
				total = append(total, "")
				continue
			}
			total = append(total, fmt.Sprint(sums[i]))
		}
		table = append(table, total)
	}
	return table
}
