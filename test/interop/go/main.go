// Command interop runs one real pivot server, as leader or as node, for the tests beside it.
// The tests choose the version of pivot: go.mod names none.
package main

import (
	"flag"
	"fmt"
	"strings"

	"github.com/benitogf/ko"
	"github.com/benitogf/ooo"
	"github.com/benitogf/ooo/storage"
	"github.com/benitogf/pivot"
)

func main() {
	address := flag.String("address", "", "host:port to listen on")
	data := flag.String("data", "", "directory of the database")
	keys := flag.String("keys", "", "keys to share, with commas between them")
	nodes := flag.String("nodes", "", "key under which nodes register")
	leader := flag.String("leader", "", "host:port of the leader; none: this server leads")
	flag.Parse()

	server := &ooo.Server{
		Silence: true,
		Storage: storage.New(storage.LayeredConfig{
			Memory:   storage.NewMemoryLayer(),
			Embedded: &ko.EmbeddedStorage{Path: *data},
		}),
	}
	config := pivot.Config{NodesKey: *nodes, ClusterURL: *leader, AutoSyncOnStart: true}
	for _, path := range strings.Split(*keys, ",") {
		config.Keys = append(config.Keys, pivot.Key{Path: path})
	}
	server = pivot.Setup(server, config)
	server.Start(*address)
	fmt.Println("ready")
	server.WaitClose()
}
