(ns greenlet.io.file
  "Files as generators that wait as tasks; `greenlet.io` has all names, too, and the examples refer to it."
  (:require [greenlet.argument :refer [check-options refuse shown the-charset the-path]]
            [greenlet.generator :as generator])
  (:import (greenlet.io TextFiles)))

(set! *warn-on-reflection* true)

(defn lines
  "A generator of the lines of `file`. It reads in another thread while the current task alone waits. The file is closed when the traversal
  ends or is ended early. Bytes that are none of the encoding are a java.nio.charset.CharacterCodingException, after the lines before.
  Options:

  :encoding  a charset; by default UTF-8

      (spit \"target/lines.txt\" \"a\\nb\\n\")
      (run (vec (lines \"target/lines.txt\")))   ;=> [\"a\" \"b\"]"
  ([file] (lines file nil))
  ([file options]
   (let [{:keys [encoding]} (check-options options [:encoding] "lines")]
     (generator/of-recipe (TextFiles/lines (the-path file "a file") (the-charset encoding))))))

(defn chunks
  "A generator of the bytes of `file`, in arrays of `size` at most; otherwise as `lines`. If reading fails, the bytes before come first.

      (spit \"target/chunks.txt\" \"abc\")
      (run (mapv count (chunks \"target/chunks.txt\" 2)))   ;=> [2 1]"
  [file size]
  (when-not (pos-int? size) (refuse "a chunk has 1 byte or more; got " (shown size)))
  (generator/of-recipe (TextFiles/chunks (the-path file "a file") (int size))))
