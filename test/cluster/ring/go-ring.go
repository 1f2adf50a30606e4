// Writes go-ring.json: owners of keys by the Go ring's rule, computed by Go's own hash/crc32 and
// sort.Search, in which nothing of Skerry takes part.
//
//	go run test/cluster/ring/go-ring.go > test/cluster/ring/go-ring.json
package main

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"sort"
)

type ring struct {
	VirtualNodes int      `json:"virtualNodes"`
	Ids          []string `json:"ids"`
	// Owners of the keys, in their order, as positions in Ids.
	Owners []int `json:"owners"`
}

type point struct {
	at    uint32
	owner int
}

func checksum(text string) uint32 { return crc32.ChecksumIEEE([]byte(text)) }

func pointsOf(ids []string, virtualNodes int) []point {
	var points []point
	for owner, id := range ids {
		for i := 0; i < virtualNodes; i++ {
			points = append(points, point{checksum(fmt.Sprintf("%s:%d", id, i)), owner})
		}
	}
	sort.Slice(points, func(a, b int) bool { return points[a].at < points[b].at })
	return points
}

func ownerOf(points []point, key string) int {
	hash := checksum(key)
	first := sort.Search(len(points), func(at int) bool { return points[at].at >= hash })
	if first == len(points) {
		first = 0
	}
	return points[first].owner
}

func numbered(name string, count int) []string {
	texts := make([]string, count)
	for i := range texts {
		texts[i] = fmt.Sprintf(name, i+1)
	}
	return texts
}

func main() {
	keys := numbered("key-%d", 300)
	keys = append(keys, numbered("users/%d/profile", 150)...)
	keys = append(keys, numbered("ключ/%d/🏝", 50)...)
	keys = append(keys, "", " ", "a b", "node-1:0")
	var rings []ring
	for _, shape := range []ring{
		{VirtualNodes: 1, Ids: numbered("node-%d", 3)},
		{VirtualNodes: 10, Ids: numbered("node-%d", 10)},
		{VirtualNodes: 100, Ids: []string{"10.0.0.1:8080", "10.0.0.2:8080", "nœud-4", "节点-5"}},
		{VirtualNodes: 160, Ids: numbered("worker-%d.example", 25)},
	} {
		points := pointsOf(shape.Ids, shape.VirtualNodes)
		for _, key := range keys {
			shape.Owners = append(shape.Owners, ownerOf(points, key))
		}
		rings = append(rings, shape)
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(map[string]any{"keys": keys, "rings": rings}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
