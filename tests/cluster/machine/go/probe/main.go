// Probe tells what a container sees of the network, or ends as it is told to. It is what tests run in pods.
//
//	probe lookup NAME...      names of the cluster's DNS, asked until they are there (20 s)
//	probe connect HOST:PORT...  a line for each: "open ADDRESS", or "closed ADDRESS" if it is not open within 3 s
//	probe closes HOST:PORT...  the same, once the first of them is closed (20 s)
//	probe listen PORT         accepts connections until SIGTERM
//	probe sleep SECONDS
//	probe trap CODE           waits for SIGTERM and ends with CODE
//	probe exit CODE
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: probe lookup|connect|closes|listen|sleep|trap|exit VALUE...")
	}
	values := os.Args[2:]
	switch os.Args[1] {
	case "lookup":
		for _, name := range values {
			lookup(name)
		}
	case "connect":
		for _, address := range values {
			connect(address)
		}
	case "closes":
		for deadline := time.Now().Add(20 * time.Second); isOpen(values[0], 500*time.Millisecond); {
			if time.Now().After(deadline) {
				fail("still open: " + values[0])
			}
		}
		for _, address := range values {
			connect(address)
		}
	case "listen":
		listen(values[0])
	case "sleep":
		time.Sleep(time.Duration(number(values[0])) * time.Second)
	case "trap":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		<-signals
		os.Exit(number(values[0]))
	case "exit":
		os.Exit(number(values[0]))
	default:
		fail("unknown: " + os.Args[1])
	}
}

func lookup(name string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		addresses, err := net.DefaultResolver.LookupHost(context.Background(), name)
		if err == nil {
			fmt.Println(name, addresses)
			return
		}
		if time.Now().After(deadline) {
			fail(err.Error())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func connect(address string) {
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
		if isOpen(address, time.Until(deadline)) {
			fmt.Println("open", address)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Println("closed", address)
}

func isOpen(address string, patience time.Duration) bool {
	connection, err := net.DialTimeout("tcp", address, patience)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

func listen(port string) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fail(err.Error())
	}
	for {
		if connection, err := listener.Accept(); err == nil {
			connection.Close()
		}
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		fail("not a number: " + text)
	}
	return value
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "probe:", message)
	os.Exit(1)
}
