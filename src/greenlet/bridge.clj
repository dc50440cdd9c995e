(ns greenlet.bridge
  "Push turned into pull: what writes, calls back, visits or publishes becomes something that is read, element by element.

      (require '[greenlet.bridge :as bridge])
      (with-open [in (bridge/reader (fn [out] (binding [*out* out] (run! println (range)))))]
        (.readLine (java.io.BufferedReader. in)))   ;=> \"0\"

  Streams       `input-stream` `reader` `lines`
  Callbacks     `callbacks`
  Files         `file-visits`
  XML           `sax-events`
  Flow          `elements` `publisher`, of java.util.concurrent.Flow

  The producer runs as far as its consumer asks, and is suspended in the middle of its write or callback; there is no
  buffer. What ends it, the consumer sees; where the consumer ends early, a GreenletExit is raised there, so that `finally`
  runs. Streams apart, all of these are generators: to be reduced, walked as a seq, pulled with a cursor, afresh each time."
  (:require [clojure.java.io :as io]
            [greenlet.argument :refer [check-options refuse]]
            [greenlet.core :refer [generator yield-to!]]
            [greenlet.generator :as generator])
  (:import (clojure.lang IFn)
           (greenlet.bridge Bridge Bridge$Producer)
           (java.io InputStream Reader)
           (java.nio.file FileVisitOption FileVisitResult FileVisitor Files OpenOption Path)
           (java.time Duration)
           (java.util.concurrent Flow$Publisher)
           (java.util.function BiConsumer Consumer)
           (javax.xml XMLConstants)
           (javax.xml.parsers SAXParserFactory)
           (org.xml.sax Attributes ContentHandler ErrorHandler InputSource SAXNotRecognizedException XMLReader)
           (org.xml.sax.ext LexicalHandler)))

(set! *warn-on-reflection* true)

(defn- check-function [f what]
  (when-not (ifn? f)
    (refuse what " must be a function; got " (pr-str f))))

;; Streams

(defn- producer ^Bridge$Producer [f]
  (check-function f "what writes")
  (reify Bridge$Producer
    (produce [_ sink] (f sink))))

(defn- confined? [options what]
  (check-options options [:confined] what)
  (let [confined (:confined options)]
    (when-not (contains? #{nil false true} confined)
      (refuse ":confined is true or false; got " (pr-str confined)))
    confined))

(defn input-stream
  "An InputStream of what `f` writes to the OutputStream that it is called with, when somebody reads. Options:

    :confined  true: for the thread that first reads; others get a WrongThreadException. `f` runs in that thread, where
               the engine does, and sees its thread-locals.

      (slurp (input-stream (fn [^java.io.OutputStream out] (.write out (.getBytes \"text\")))))
      ;=> \"text\"

  A write is suspended until it has been read, straight from the array that was written; a read returns what is left of one
  write, so it may be less than was asked for. What writes byte by byte is better given a BufferedOutputStream around its
  stream. Any thread may read, one at a time: another gets an IllegalStateException, and so does `f` itself. An IOException
  or unchecked exception of `f` comes out of the read as it is, another as the cause of an IOException. `.close` raises a
  GreenletExit at the pending write. `f` sees the dynamic bindings in force here."
  (^InputStream [f] (input-stream f nil))
  (^InputStream [f options]
   (if (confined? options "an input stream")
     (Bridge/confinedInputStream (producer f))
     (Bridge/inputStream (producer f)))))

(defn reader
  "A Reader of what `f` writes to the Writer that it is called with, when somebody reads. Otherwise as `input-stream`, with
  the same options.

      (slurp (reader (fn [out] (binding [*out* out] (pr {:a 1})))))   ;=> \"{:a 1}\""
  (^Reader [f] (reader f nil))
  (^Reader [f options]
   (if (confined? options "a reader")
     (Bridge/confinedReader (producer f))
     (Bridge/reader (producer f)))))

(defn lines
  "A generator of the lines that `f` writes to the Writer that it is called with, each as soon as it has been ended.

      (take 2 (lines (fn [out] (binding [*out* out] (run! println (range))))))   ;=> (\"0\" \"1\")"
  [f]
  (generator/of-recipe (Bridge/lines (producer f))))

;; Callbacks

(defn- callback
  "A function, and a consumer for Java; `emit` gets what it is called with."
  [emit]
  (reify
    IFn
    (invoke [_] (emit nil))
    (invoke [_ x] (emit x))
    (invoke [_ x y] (emit [x y]))
    (invoke [_ x y z] (emit [x y z]))
    (applyTo [_ args] (emit (if (next args) (vec args) (first args))))
    Consumer
    (accept [_ x] (emit x))
    BiConsumer
    (accept [_ x y] (emit [x y]))))

(defn callbacks
  "A generator of what `f` calls its argument with: a callback, which is a function and a java.util.function.Consumer and
  BiConsumer. Several values at once, up to three, are a vector, none is nil. As a function it returns what the consumer
  sends, nil for most. It is to be called in the thread in which `f` is; elsewhere it is an IllegalStateException.

      (vec (callbacks (fn [each] (.forEach ^java.util.Map {:a 1} ^java.util.function.BiConsumer each))))
      ;=> [[:a 1]]
      (take 3 (callbacks (fn [each] (run! each (range)))))   ;=> (0 1 2)"
  [f]
  (check-function f "what calls back")
  (generator :as out (f (callback #(yield-to! out %)))))

;; Files

(def ^:private file-visit-results
  {:continue FileVisitResult/CONTINUE
   :skip-subtree FileVisitResult/SKIP_SUBTREE
   :skip-siblings FileVisitResult/SKIP_SIBLINGS
   :terminate FileVisitResult/TERMINATE})

(defn- file-visit-result [answer visit]
  (cond
    (nil? answer) FileVisitResult/CONTINUE
    (instance? FileVisitResult answer) answer
    :else (or (file-visit-results answer)
              (refuse "the answer to a visit is one of " (vec (keys file-visit-results)) ", or nil to go on; got "
                      (pr-str answer) " for " visit))))

(defn- visitor [visit]
  (reify FileVisitor
    (preVisitDirectory [_ path attributes] (visit {:visit :pre-directory, :path path, :attributes attributes}))
    (visitFile [_ path attributes] (visit {:visit :file, :path path, :attributes attributes}))
    (visitFileFailed [_ path exception] (visit {:visit :failed, :path path, :exception exception}))
    (postVisitDirectory [_ path exception]
      (visit (cond-> {:visit :post-directory, :path path} exception (assoc :exception exception))))))

(defn file-visits
  "A generator of the visits of a walk of the file tree at `start`, a Path or anything that clojure.java.io/file takes, as
  java.nio.file.Files/walkFileTree makes them. Maps with

    :visit       :pre-directory, :file, :failed, where something could not be read, or :post-directory
    :path        the Path
    :attributes  its BasicFileAttributes, before a directory and for a file
    :exception   an IOException: why it failed, or what ended the reading of a directory

  A consumer with a cursor can `send!` how to go on: :continue, :skip-subtree, :skip-siblings or :terminate. Options:

    :answer        a function of a visit, called before the visit is an element, that returns one of these, or nil for
                   :continue; for where nothing is sent. What it throws comes out of the traversal.
    :follow-links  true to follow symbolic links
    :max-depth     how many levels of directories to visit

      (let [clj? #(clojure.string/ends-with? (str (:path %)) \".clj\")]
        (into [] (comp (filter clj?) (map (comp str :path)) (take 1)) (file-visits \"src/greenlet/core.clj\")))
      ;=> [\"src/greenlet/core.clj\"]

  Open directories are closed when the traversal ends, early or not; not where it is only forgotten. An answer that is none
  is an IllegalArgumentException, and ends the traversal."
  ([start] (file-visits start nil))
  ([start options]
   (check-options options [:answer :follow-links :max-depth] "a walk of files")
   (let [{:keys [answer follow-links max-depth] :or {answer (constantly nil), max-depth Integer/MAX_VALUE}} options
         path (if (instance? Path start) start (.toPath (io/file start)))
         link-options (if follow-links #{FileVisitOption/FOLLOW_LINKS} #{})]
     (check-function answer ":answer")
     (when-not (nat-int? max-depth)
       (refuse ":max-depth must be a natural number; got " (pr-str max-depth)))
     (generator :as out
       (Files/walkFileTree path link-options (int max-depth)
                           (visitor (fn [visit]
                                      (let [answered (answer visit)
                                            sent (yield-to! out visit)]
                                        (file-visit-result (if (nil? sent) answered sent) visit)))))))))

;; XML

(defn- expanded-name [uri local-name]
  (if (= "" uri) local-name (str "{" uri "}" local-name)))

(defn- attributes-map [^Attributes attributes]
  (loop [i (dec (.getLength attributes)), m {}]
    (if (neg? i)
      m
      (let [name (expanded-name (.getURI attributes i) (.getLocalName attributes i))]
        (recur (dec i) (assoc m name (.getValue attributes i)))))))

(defn- named [event uri local-name ^String qualified-name]
  (let [colon (.indexOf qualified-name ":")]
    (cond-> {:event event, :name (expanded-name uri local-name)}
      (pos? colon) (assoc :prefix (subs qualified-name 0 colon)))))

(defn- handler
  "Has `emit` called with each event; several calls for adjacent text are one event, if `coalesce`."
  [emit coalesce]
  (let [text (StringBuilder.)
        namespaces (volatile! nil)
        doctype (volatile! nil) ; while it is being parsed
        flush-text! #(when (pos? (.length text))
                       (let [s (str text)]
                         (.setLength text 0)
                         (emit {:event :text, :text s})))
        event! (fn [event]
                 (when-not @doctype
                   (flush-text!)
                   (emit event)))
        text! (fn [^chars chars start length]
                (.append text chars (int start) (int length))
                (when-not coalesce (flush-text!)))]
    (reify
      ContentHandler
      (setDocumentLocator [_ _])
      (startDocument [_])
      (endDocument [_])
      (startPrefixMapping [_ prefix uri] (vswap! namespaces assoc prefix uri))
      (endPrefixMapping [_ _])
      (startElement [_ uri local-name qualified-name attributes]
        (let [declared @namespaces]
          (vreset! namespaces nil)
          (event! (cond-> (named :start-element uri local-name qualified-name)
                    true (assoc :attributes (attributes-map attributes))
                    declared (assoc :namespaces declared)))))
      (endElement [_ uri local-name qualified-name] (event! (named :end-element uri local-name qualified-name)))
      (characters [_ chars start length] (text! chars start length))
      (ignorableWhitespace [_ chars start length] (text! chars start length))
      (processingInstruction [_ target data] (event! {:event :processing-instruction, :target target, :data (or data "")}))
      (skippedEntity [_ name] (event! {:event :skipped-entity, :name name}))
      LexicalHandler
      (startDTD [_ name public-id system-id]
        (vreset! doctype (cond-> {:event :doctype, :name name}
                           public-id (assoc :public-id public-id)
                           system-id (assoc :system-id system-id))))
      (endDTD [_]
        (let [event @doctype]
          (vreset! doctype nil)
          (event! event)))
      (startEntity [_ _])
      (endEntity [_ _])
      (startCDATA [_])
      (endCDATA [_])
      (comment [_ chars start length] (event! {:event :comment, :text (String. ^chars chars (int start) (int length))}))
      ErrorHandler
      (warning [_ _])
      (error [_ _])
      (fatalError [_ exception] (throw exception)))))

(defn- jdk-reader
  "The JDK's parser, which reads nothing but what it is given."
  ^XMLReader []
  (let [factory (doto (SAXParserFactory/newDefaultNSInstance)
                  (.setFeature XMLConstants/FEATURE_SECURE_PROCESSING true)
                  (.setFeature "http://xml.org/sax/features/external-general-entities" false)
                  (.setFeature "http://xml.org/sax/features/external-parameter-entities" false)
                  (.setFeature "http://apache.org/xml/features/nonvalidating/load-external-dtd" false))]
    (.getXMLReader (.newSAXParser factory))))

(defn- parse [^XMLReader reader handler ^InputSource source]
  (.setContentHandler reader handler)
  (.setErrorHandler reader handler)
  (try
    (.setProperty reader "http://xml.org/sax/properties/lexical-handler" handler)
    (catch SAXNotRecognizedException _)) ; it has none of comments and doctypes
  (.parse reader source))

(defn- with-input-source [source f]
  (cond
    (instance? InputSource source) (f source)
    (instance? InputStream source) (f (InputSource. ^InputStream source))
    (instance? Reader source) (f (InputSource. ^Reader source))
    :else (with-open [^InputStream in (if (instance? Path source)
                                        (Files/newInputStream source (make-array OpenOption 0))
                                        (io/input-stream source))]
            (f (InputSource. in)))))

(defn sax-events
  "A generator of the events of a SAX parser that parses `source`: a File, Path, URL, byte array or what else
  clojure.java.io/input-stream takes, opened for each traversal and closed at its end; or an InputStream, Reader or
  org.xml.sax.InputSource, which serves one. Maps with :event and, for

    :start-element           :name, :attributes, a map; where there is any, :prefix and :namespaces, those declared by prefix
    :end-element             :name, :prefix
    :text, :comment          :text. Adjacent text is one event, with entities and CDATA sections in it.
    :processing-instruction  :target :data
    :doctype                 :name :public-id :system-id
    :skipped-entity          :name. An external entity, which is not read, or an unknown one.

  A name in a namespace is a string \"{uri}local-name\", any other the local name alone. Options:

    :coalesce  false: text in the pieces in which the parser finds it, for text that is too long for memory
    :reader    a function that returns a new org.xml.sax.XMLReader; by default it makes the JDK's, with namespaces, secure
               processing, and neither external entities nor external doctypes

      (map (juxt :event (some-fn :name :text)) (sax-events (.getBytes \"<a>1 &lt; 2</a>\")))
      ;=> ([:start-element \"a\"] [:text \"1 < 2\"] [:end-element \"a\"])

  A document that is malformed is an org.xml.sax.SAXException, as a rule a SAXParseException, which tells the line, after the
  events before it, but for text that was begun."
  ([source] (sax-events source nil))
  ([source options]
   (check-options options [:coalesce :reader] "a parser")
   (let [{:keys [coalesce reader] :or {coalesce true, reader jdk-reader}} options]
     (when (nil? source)
       (refuse "there is nothing to parse: got nil"))
     (check-function reader ":reader")
     (generator :as out
       (with-input-source source #(parse (reader) (handler (fn [event] (yield-to! out event)) coalesce) %))))))

;; Flow

(defn elements
  "A generator of the elements of a java.util.concurrent.Flow$Publisher, which may publish from any thread. Each traversal
  subscribes afresh, and cancels where it ends early. Options:

    :prefetch    how many elements may be under way or waiting; 1 by default: each is requested when it is asked for
    :timeout-ms  how many milliseconds to wait for one at most; without limit by default

      (vec (elements (publisher (callbacks (fn [each] (each 1) (each 2))))))   ;=> [1 2]

  Whoever pulls blocks until the next element is there. An interrupt then is an InterruptedException, too long a silence a
  java.util.concurrent.TimeoutException. What the publisher fails with comes out as it is, after the elements before it."
  ([publisher] (elements publisher nil))
  ([publisher options]
   (check-options options [:prefetch :timeout-ms] "a subscription")
   (let [{:keys [prefetch timeout-ms] :or {prefetch 1}} options]
     (when-not (instance? Flow$Publisher publisher)
       (refuse "elements are those of a java.util.concurrent.Flow$Publisher; got " (pr-str publisher)))
     (when-not (and (pos-int? prefetch) (<= prefetch Integer/MAX_VALUE))
       (refuse ":prefetch must be a positive int; got " (pr-str prefetch)))
     (when-not (or (nil? timeout-ms) (pos-int? timeout-ms))
       (refuse ":timeout-ms must be a positive integer; got " (pr-str timeout-ms)))
     (generator/of-recipe
      (if timeout-ms
        (Bridge/elements publisher (int prefetch) (Duration/ofMillis timeout-ms))
        (Bridge/elements publisher (int prefetch)))))))

(defn publisher
  "A java.util.concurrent.Flow$Publisher of the elements of the generator `g`. Each subscriber has a traversal of its own,
  which runs as far as elements are requested, in the thread that requests them. To cancel unwinds the body. nil among the
  elements is a NullPointerException to the subscriber.

      (let [seen (atom [])]
        (.subscribe (publisher (callbacks (fn [each] (run! each (range)))))
                    (reify java.util.concurrent.Flow$Subscriber
                      (onSubscribe [_ s] (.request ^java.util.concurrent.Flow$Subscription s 3))
                      (onNext [_ x] (swap! seen conj x))))
        @seen)   ;=> [0 1 2]"
  ^Flow$Publisher [g]
  (Bridge/publisher (or (generator/recipe g)
                        (refuse "what is published must be a generator; got " (if (nil? g) "nil" (class g))))))
