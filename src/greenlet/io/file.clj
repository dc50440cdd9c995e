(ns greenlet.io.file
  "Files as generators that wait as tasks; `greenlet.io` is the way in."
  (:require [greenlet.argument :refer [refuse shown]]
            [greenlet.generator :as generator])
  (:import (greenlet.io TextFiles)
           (java.io File)
           (java.nio.file Path)))

(set! *warn-on-reflection* true)

(defn- the-path ^Path [file]
  (cond
    (instance? Path file) file
    (instance? File file) (.toPath ^File file)
    (string? file) (Path/of file (make-array String 0))
    :else (refuse "a file is a string, a File or a Path; got " (shown file))))

(defn lines
  "A generator of the lines of `file`, in UTF-8. It reads in another thread while the current task alone waits; the file is closed
  when the traversal ends or is ended early."
  [file]
  (generator/of-recipe (TextFiles/lines (the-path file))))

(defn chunks
  "A generator of the bytes of `file`, in arrays of `size` at most; otherwise as `lines`."
  [file size]
  (generator/of-recipe (TextFiles/chunks (the-path file) (int size))))
