(ns greenlet.io.file
  "Files as generators that wait as tasks; `greenlet.io` has all names, too, and the examples refer to it."
  (:require [greenlet.argument :refer [check-options refuse shown]]
            [greenlet.generator :as generator])
  (:import (greenlet.io TextFiles)
           (java.io File)
           (java.nio.charset Charset)
           (java.nio.file Path)))

(set! *warn-on-reflection* true)

(defn- the-path ^Path [file]
  (cond
    (instance? Path file) file
    (instance? File file) (.toPath ^File file)
    (string? file) (Path/of file (make-array String 0))
    :else (refuse "a file is a string, a File or a Path; got " (shown file))))

(defn- the-charset ^Charset [x]
  (cond
    (instance? Charset x) x
    (string? x) (Charset/forName x)
    :else (refuse ":encoding is a Charset or its name; got " (shown x))))

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
     (generator/of-recipe (TextFiles/lines (the-path file) (the-charset (or encoding "UTF-8")))))))

(defn chunks
  "A generator of the bytes of `file`, in arrays of `size` at most; otherwise as `lines`. If reading fails, the bytes before come first.

      (spit \"target/chunks.txt\" \"abc\")
      (run (mapv count (chunks \"target/chunks.txt\" 2)))   ;=> [2 1]"
  [file size]
  (when-not (pos-int? size) (refuse "a chunk has 1 byte or more; got " (shown size)))
  (generator/of-recipe (TextFiles/chunks (the-path file) (int size))))
