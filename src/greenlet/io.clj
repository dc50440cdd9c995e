(ns greenlet.io
  "Sockets, servers, names, processes and files whose waits are those of the current task: the other tasks of its hub run meanwhile.

      (run (with-open [server (listen 0 {:host \"localhost\"})]
             (spawn #(with-open [s (accept! server)] (spit s \"hello\")))
             (with-open [s (connect \"localhost\" (port server))] (slurp s))))   ;=> \"hello\"

  Sockets    `connect` `listen` `accept!` `port`; `reader` `read-line!` `read-bytes!`: those of greenlet.io.socket
  Servers    `serve` `stop!` `join-server`; `tls-client` `tls-server`: those of greenlet.io.server
  Names      `lookup` `lookup-all`: those of greenlet.io.name
  Processes  `process` `with-process` `communicate`; `write!` `end-input!` `read-output` `read-errors` `exit-code`: those of
             greenlet.io.process
  Files      `lines` `chunks`: those of greenlet.io.file

  Sockets are those of java.net, for clojure.java.io and every library that takes one. Options are maps; an unknown one is an error.
  Times are in seconds, as for greenlet.hub, whose `timeout` limits every wait here, and whose `readable!` and `writable!` wait for any
  channel. Errors are those of java.net and java.io. Outside of tasks, what is called here blocks its thread."
  (:require [greenlet.argument :refer [re-export]]
            [greenlet.io.file]
            [greenlet.io.name]
            [greenlet.io.process]
            [greenlet.io.server]
            [greenlet.io.socket]))

(set! *warn-on-reflection* true)

(re-export
  [greenlet.io.socket
   connect listen accept! port reader read-line! read-bytes!]
  [greenlet.io.server
   serve stop! join-server tls-client tls-server]
  [greenlet.io.name
   lookup lookup-all]
  [greenlet.io.process
   process with-process communicate write! end-input! read-output read-errors exit-code]
  [greenlet.io.file
   lines chunks])
