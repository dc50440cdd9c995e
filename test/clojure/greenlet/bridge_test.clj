(ns greenlet.bridge-test
  "greenlet.bridge: the Clojure face of what JUnit's PipeTest, FileVisitsTest and PublisherTest test, and SAX events
  against StAX."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.bridge :as bridge]
            [greenlet.bridge-program :as program]
            [greenlet.core :refer [cursor generator next! peek! send! yield!]]
            [greenlet.random :refer [times]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog :refer [on-each-root thrown-by trace]])
  (:import (greenlet.bridge Bridge Bridge$Producer)
           (java.io File InputStream IOException OutputStream StringReader Writer)
           (java.nio.file Files NoSuchFileException Path)
           (java.nio.file.attribute BasicFileAttributes FileAttribute)
           (java.util List Map)
           (java.util.concurrent Flow$Publisher Flow$Subscription TimeoutException)
           (java.util.function BiConsumer Consumer)
           (javax.xml.stream XMLInputFactory XMLStreamConstants XMLStreamException XMLStreamReader)
           (org.xml.sax InputSource SAXException SAXParseException)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defmacro ^:private refuses [part & body]
  `(is (~'thrown-with-msg? IllegalArgumentException ~part ~@body)))

;; Streams

(def ^:private ^:dynamic *greeting* "hello")

(deftest streams-of-what-a-function-writes
  (on-each-root
   (doseq [options [nil {} {:confined false} {:confined true}]]
     (testing options
       (let [log (trace)
             write (fn [^OutputStream out]
                     (try
                       (dotimes [i 3] (log i) (.write out (.getBytes (str i "\n"))))
                       (finally (log :finally))))]
         (is (= "0\n1\n2\n" (slurp (bridge/input-stream write options))))
         (with-open [in (bridge/input-stream write options)]
           (log (.read in)))
         (is (= [0 1 2 :finally 0 (int \0) :finally] @log)))
       (let [in (binding [*greeting* "bonjour"]
                  (bridge/reader (fn [^Writer out] (.write out (str *greeting*))) options))]
         (is (= "bonjour" (slurp in))))))
   (is (= ["0" "1" "2"] (into [] (take 3) (bridge/lines (fn [out] (binding [*out* out] (run! println (range))))))))))

(deftest a-confined-stream-is-for-one-thread
  (let [in (bridge/input-stream (fn [^OutputStream out] (.write out 1) (.write out 2)) {:confined true})]
    (is (= 1 (.read in)))
    (is (instance? java.lang.WrongThreadException (watchdog/in-thread (thrown-by (.read in)))))
    (is (= 2 (.read in)))
    (is (= -1 (.read in)))))

(deftest bad-arguments-of-streams
  (refuses #"what writes must be a function; got 1" (bridge/input-stream 1))
  (refuses #"what writes must be a function; got nil" (bridge/reader nil))
  (refuses #"must be a function" (bridge/lines "text"))
  (refuses #"unknown options \[:shared\]" (bridge/reader identity {:shared true}))
  (refuses #"must be a map" (bridge/input-stream identity [:confined true]))
  (refuses #":confined is true or false; got 1" (bridge/input-stream identity {:confined 1})))

;; Callbacks

(deftest callbacks-of-all-kinds
  (on-each-root
   (is (= [1 2 3] (vec (bridge/callbacks #(.forEach ^List (list 1 2 3) ^Consumer %)))))
   (is (= {1 2, 3 4} (into {} (bridge/callbacks #(.forEach ^Map {1 2, 3 4} ^BiConsumer %)))))
   (is (= [nil :a nil [1 2] [1 2 3] [4 5 6 7]]
          (vec (bridge/callbacks (fn [each] (each) (each :a) (each nil) (each 1 2) (each 1 2 3) (apply each [4 5 6 7]))))))
   (testing "what is sent is what the callback returns"
     (let [log (trace), c (cursor (bridge/callbacks (fn [each] (log (each 1)) (log (each 2)))))]
       (is (= [1 2 nil] [(next! c) (send! c :a) (next! c)]))
       (is (= [:a nil] @log))))
   (testing "it is for this traversal, also from within another generator"
     (is (= [:outer 1] (vec (bridge/callbacks (fn [each] (run! each (generator (each :outer) (yield! 1)))))))))
   (testing "from another thread"
     (is (= [IllegalStateException]
            (vec (bridge/callbacks (fn [each] (each (class (watchdog/in-thread (thrown-by (each :elsewhere))))))))))))
  (refuses #"what calls back must be a function" (bridge/callbacks 1)))

;; Files

(defmacro ^:private with-tree
  "Binds `dir` to a new directory with d/1, d/e/2 and 3; deletes it afterwards."
  [dir & body]
  `(let [~dir (.toFile (Files/createTempDirectory "tree" (make-array FileAttribute 0)))]
     (doseq [f# ["d/1" "d/e/2" "3"]] (spit (doto (io/file ~dir f#) io/make-parents) f#))
     (try ~@body (finally (run! io/delete-file (reverse (file-seq ~dir)))))))

(defn- visited [^File dir {:keys [visit ^Path path]}]
  [visit (str (.relativize (.toPath dir) path))])

(deftest file-visits-are-answered
  (on-each-root
   (with-tree dir
     (let [all (set (map #(visited dir %) (bridge/file-visits dir)))
           subtree #{[:pre-directory "d/e"] [:file "d/e/2"] [:post-directory "d/e"]}
           e? #(= [:pre-directory "d/e"] (visited dir %))]
       (is (= (into subtree [[:pre-directory ""] [:pre-directory "d"] [:file "d/1"] [:post-directory "d"] [:file "3"]
                             [:post-directory ""]])
              all
              (into #{} (map #(visited dir %)) (bridge/file-visits (str dir)))
              (into #{} (map #(visited dir %)) (bridge/file-visits (.toPath dir)))))
       (testing "by :answer"
         (is (= (into #{[:pre-directory "d/e"]} (remove subtree all))
                (into #{} (map #(visited dir %)) (bridge/file-visits dir {:answer #(when (e? %) :skip-subtree)})))))
       (testing "by what is sent, which comes first"
         (with-open [c (cursor (bridge/file-visits dir {:answer #(when (= "d" (second (visited dir %))) :skip-subtree)}))]
           (is (= (into #{[:pre-directory "d/e"]} (remove subtree all))
                  (loop [v (next! c), seen #{}]
                    (if (nil? v)
                      seen
                      (recur (if (e? v) (send! c :skip-subtree) (send! c :continue)) (conj seen (visited dir v)))))))))
       (testing "depth, terminate"
         (is (= #{[:pre-directory ""] [:file "d"] [:file "3"] [:post-directory ""]}
                (set (map #(visited dir %) (bridge/file-visits dir {:max-depth 1})))))
         (is (= 1 (count (seq (bridge/file-visits dir {:answer (constantly :terminate)}))))))
       (testing "attributes and exceptions"
         (is (= 3 (count (filter #(some-> ^BasicFileAttributes (:attributes %) .isRegularFile) (bridge/file-visits dir)))))
         (let [missing (io/file dir "missing")]
           (is (= [[:failed NoSuchFileException]] (map (juxt :visit (comp class :exception)) (bridge/file-visits missing))))
           (is (thrown? NoSuchFileException (vec (bridge/file-visits missing {:answer #(some-> (:exception %) throw)})))))))))
  (refuses #"got :leave for" (let [c (cursor (bridge/file-visits "src"))] (next! c) (send! c :leave)))
  (refuses #"unknown options \[:depth\]" (bridge/file-visits "src" {:depth 1}))
  (refuses #":max-depth must be" (bridge/file-visits "src" {:max-depth -1}))
  (refuses #":answer must be a function" (bridge/file-visits "src" {:answer 1})))

;; SAX events, and what StAX makes of the same document

(defn- clark [uri local-name]
  (if (str/blank? uri) local-name (str "{" uri "}" local-name)))

(defn- stax-event [^XMLStreamReader r]
  (let [named (fn [event] (cond-> {:event event, :name (clark (.getNamespaceURI r) (.getLocalName r))}
                            (not (str/blank? (.getPrefix r))) (assoc :prefix (.getPrefix r))))]
    (condp = (.getEventType r)
      XMLStreamConstants/START_ELEMENT
      (let [namespaces (into {} (for [i (range (.getNamespaceCount r))]
                                  [(or (.getNamespacePrefix r i) "") (or (.getNamespaceURI r (int i)) "")]))]
        (cond-> (assoc (named :start-element)
                       :attributes (into {} (for [i (range (.getAttributeCount r))]
                                              [(clark (.getAttributeNamespace r i) (.getAttributeLocalName r i))
                                               (.getAttributeValue r i)])))
          (seq namespaces) (assoc :namespaces namespaces)))
      XMLStreamConstants/END_ELEMENT (named :end-element)
      XMLStreamConstants/CHARACTERS {:event :text, :text (.getText r)}
      XMLStreamConstants/CDATA {:event :text, :text (.getText r)}
      XMLStreamConstants/SPACE {:event :text, :text (.getText r)}
      XMLStreamConstants/COMMENT {:event :comment, :text (.getText r)}
      XMLStreamConstants/PROCESSING_INSTRUCTION
      {:event :processing-instruction, :target (.getPITarget r), :data (or (.getPIData r) "")}
      XMLStreamConstants/DTD {:event :doctype}
      XMLStreamConstants/END_DOCUMENT nil)))

(defn- coalesced [events]
  (into []
        (comp (partition-by #(= :text (:event %)))
              (mapcat (fn [[e :as part]]
                        (if (= :text (:event e)) [{:event :text, :text (str/join (map :text part))}] part)))
              (remove #(= {:event :text, :text ""} %)))
        events))

(defn- stax
  "The events of `xml`, and :malformed if it is."
  [^String xml]
  (let [factory (doto (XMLInputFactory/newDefaultFactory)
                  (.setProperty XMLInputFactory/IS_COALESCING true)
                  (.setProperty XMLInputFactory/IS_SUPPORTING_EXTERNAL_ENTITIES false))
        r (.createXMLStreamReader factory (StringReader. xml))]
    (loop [events []]
      (let [e (try
                (if (.hasNext r) (do (.next r) (stax-event r)) ::end)
                (catch XMLStreamException _ :malformed))]
        (case e
          (nil ::end) (coalesced events)
          :malformed (conj (coalesced events) :malformed)
          (recur (conj events e)))))))

(defn- without-ids [event]
  (if (= :doctype (:event event)) (select-keys event [:event]) event))

(defn- sax [^String xml options]
  (with-open [c (cursor (bridge/sax-events (.getBytes xml "UTF-8") options))]
    (loop [events []]
      (let [e (try (next! c ::end) (catch SAXException _ :malformed))]
        (case e
          ::end events
          :malformed (conj events :malformed)
          (recur (conj events (without-ids e))))))))

(def ^:private hand-picked
  {"mixed content" "<a>one<b/>two<c>three</c> </a>"
   "entities" "<!DOCTYPE a [<!ENTITY e 'an entity'><!ENTITY f '&e; in <b>one</b>'>]><a x='&e;'>1 &lt; 2 &amp; &#x20ac;&#13; &e; &f;</a>"
   "CDATA" "<a>x<![CDATA[<&>]]>y<![CDATA[]]><![CDATA[]]]]><![CDATA[>]]></a>"
   "comments" "<!-- before --><a><!----><!-- < & -->x<!--y-->z</a><!-- after -->"
   "processing instructions" "<?style sheet?><a><?b?><?c  d e ?></a><?end?>"
   "namespaces" "<a xmlns='u:1' xmlns:p='u:2' p:x='1' x='2'><p:b xmlns:p='u:3'/><c xmlns=''/><p:d/></a>"
   "attributes" "<a x=' 1 ' y=\"'\" z='&#10;&#9;&quot;'  w='\n\t'/>"
   "white space" "\n<a>\r\n \t<b>\r</b>\n</a>\n\n"
   "ignorable white space" "<!DOCTYPE a [<!ELEMENT a (b*)><!ELEMENT b EMPTY><!ATTLIST a x CDATA 'default'>]><a> <b/> </a>"
   "comments and instructions of a doctype" "<!DOCTYPE a [<!-- c --><?pi x?>]><a/>"
   "a doctype that is not read" "<!DOCTYPE a PUBLIC 'p' 'file:///nowhere.dtd'><a/>"
   "other planes" "<a>\ud83d\ude00<\u00e9/></a>"
   "encoding" "<?xml version='1.0' encoding='UTF-8'?><a>\u00e9</a>"
   "version 1.1" "<?xml version='1.1'?><a>&#1;</a>"})

(def ^:private malformed
  {"no end" "<a><b></b>"
   "wrong end" "<a><b></a></b>"
   "after some events" "<a>one<b x='1'/><!--c-->two<c></d></a>"
   "an attribute twice" "<a><b/><c x='1' x='2'/></a>"
   "a prefix that nobody has declared" "<a><p:b/></a>"
   "an entity that nobody has declared" "<a><b/>x&e;</a>"
   "a bare ampersand" "<a><b/>x & y</a>"
   "two roots" "<a/><b/>"
   "text behind" "<a/>x"
   "nothing" ""
   "no XML" "text"
   "a character that is none" "<a><b/>\u0001</a>"
   "the end of CDATA" "<a>]]></a>"
   "a comment" "<a><!-- -- --></a>"})

(deftest the-events-of-hand-picked-documents
  (on-each-root
   (doseq [[what xml] hand-picked]
     (testing what
       (is (= (stax xml) (sax xml nil)))
       (is (= (stax xml) (coalesced (sax xml {:coalesce false}))))))
   (doseq [[what xml] malformed]
     (testing what
       (let [events (sax xml nil)]
         (is (= :malformed (last events)))
         (is (= (remove #(= :text (:event %)) (stax xml)) (remove #(= :text (:event %)) events))))))))

(def ^:private gen-text
  (gen/fmap str/join (gen/vector (gen/elements ["a" " " "\n" "\u20ac" "&lt;" "&amp;" "&#65;" "]" "'" "&e;"]) 0 6)))

(def ^:private gen-attributes
  (gen/fmap (fn [m] (str/join (map (fn [[k v]] (str " " k "='" (str/replace v "'" "") "'")) m)))
            (gen/map (gen/elements ["x" "y" "p:x" "q:z" "xml:lang"]) gen-text {:max-elements 3})))

(def ^:private gen-declarations
  (gen/fmap (fn [m] (str/join (map (fn [[k v]] (str " " k "='" v "'")) m)))
            (gen/map (gen/elements ["xmlns" "xmlns:p" "xmlns:q"]) (gen/elements ["u:1" "u:2" "u:3"]) {:max-elements 2})))

(def ^:private gen-leaf
  (gen/one-of [gen-text
               (gen/fmap #(str "<![CDATA[" (str/replace % "]" "") "]]>") gen-text)
               (gen/fmap #(str "<!--" % "-->") gen-text)
               (gen/fmap #(str "<?t " (str/replace % "?" "") "?>") gen-text)]))

(defn- gen-element [gen-content]
  (gen/let [tag (gen/elements ["a" "b" "p:a" "q:b"])
            declarations gen-declarations
            attributes gen-attributes
            content (gen/vector gen-content 0 4)]
    (str "<" tag declarations attributes ">" (str/join content) "</" tag ">")))

(def ^:private gen-document
  (gen/let [prolog (gen/vector (gen/elements ["<!--c-->" "<?p?>" "\n"]) 0 3)
            content (gen/vector (gen/recursive-gen gen-element gen-leaf) 0 5)
            epilog (gen/vector (gen/elements ["<!--c-->" "<?p?>" "\n"]) 0 3)]
    (str (str/join prolog) "<!DOCTYPE r [<!ENTITY e 'entity'>]>"
         "<r xmlns:p='u:p' xmlns:q='u:q'>" (str/join content) "</r>" (str/join epilog))))

(defspec ^:random the-events-of-any-document (times 100)
  (prop/for-all [xml gen-document]
    (let [expected (stax xml)]
      (= expected (sax xml nil) (mapv without-ids (bridge/sax-events (.getBytes ^String xml "UTF-8")))))))

(defspec ^:random the-events-of-documents-that-are-cut-or-garbled (times 300)
  (prop/for-all [xml gen-document, at gen/nat, garble (gen/elements [nil "" "<" "&" "x" "</r>" "]]>" "'"])]
    (let [at (mod (* 7 at) (inc (count xml)))
          xml (if garble (str (subs xml 0 at) garble (subs xml (min (count xml) (inc at)))) (subs xml 0 at))
          ours (sax xml nil)
          theirs (stax xml)
          sure (partial remove (comp #{:text :doctype} :event))] ; the end of these, one parser may see and the other not
      (and (= (last ours) (last theirs))
           (= (sure ours) (sure theirs))
           (or (= :malformed (last ours)) (= ours theirs))))))

(deftest a-parser-is-lazy-and-closes-what-it-opened
  (on-each-root
   (let [log (trace)
         document (fn []
                    (let [in (io/input-stream (.getBytes (str "<r>" (str/join (repeat 100000 "<a/>")) "</r>")))]
                      (proxy [InputStream] []
                        (read
                          ([] (log :read) (.read in))
                          ([bytes from length] (log :read) (.read in bytes from (min 100 length)))))))]
     (with-open [c (cursor (bridge/sax-events (document)))]
       (is (= {:event :start-element, :name "r", :attributes {}} (next! c)))
       (is (= "a" (:name (next! c))))
       (is (< (count @log) 200))))
   (testing "a file is opened for each traversal, and can be deleted when it has ended, on any system"
     (let [f (File/createTempFile "document" ".xml")]
       (try
         (spit f "<a><b/></a>")
         (let [events (bridge/sax-events f)]
           (dotimes [_ 2] (is (= ["a" "b" "b" "a"] (map :name events) (map :name (bridge/sax-events (.toPath f))))))
           (with-open [c (cursor events)] (is (= "a" (:name (peek! c)))))
           (is (= "a" (reduce (fn [_ e] (reduced (:name e))) nil events))))
         (finally (.delete f)))))
   (testing "readers and input sources"
     (is (= ["a" "a"]
            (map :name (bridge/sax-events (StringReader. "<a/>")))
            (map :name (bridge/sax-events (InputSource. (StringReader. "<a/>")))))))
   (testing "a parser of one's own"
     (let [plain #(.getXMLReader (.newSAXParser (javax.xml.parsers.SAXParserFactory/newDefaultInstance)))]
       (is (= [:start-element :comment :end-element]
              (map :event (bridge/sax-events (.getBytes "<a><!----></a>") {:reader plain}))))))
   (testing "text in pieces"
     (let [long-text (str/join (repeat 100000 "x"))
           events (bridge/sax-events (.getBytes (str "<a>" long-text "</a>")) {:coalesce false})
           texts (map :text (filter #(= :text (:event %)) events))]
       (is (< 1 (count texts)))
       (is (= long-text (str/join texts)))))
   (testing "a source that cannot be read"
     (let [broken (proxy [InputStream] [] (read [& _] (throw (IOException. "broken"))))]
       (is (thrown-with-msg? IOException #"broken" (first (bridge/sax-events broken))))
       (is (thrown? java.io.FileNotFoundException (first (bridge/sax-events (io/file "nowhere.xml"))))))))
  (refuses #"nothing to parse" (bridge/sax-events nil))
  (refuses #"unknown options \[:coalescing\]" (bridge/sax-events "x" {:coalescing true}))
  (refuses #":reader must be a function" (bridge/sax-events "x" {:reader 1})))

(deftest nothing-external-is-read
  (let [secret (File/createTempFile "secret" ".txt")
        url (str (.toURL (.toURI secret)))]
    (try
      (spit secret "the secret")
      (testing "an external entity is told of, and not read"
        (is (= [{:event :doctype, :name "a"} {:event :start-element, :name "a", :attributes {}} {:event :text, :text "x"}
                {:event :skipped-entity, :name "e"} {:event :text, :text "y"} {:event :end-element, :name "a"}]
               (vec (bridge/sax-events (.getBytes (str "<!DOCTYPE a [<!ENTITY e SYSTEM '" url "'>]><a>x&e;y</a>")))))))
      (testing "nor is an external parameter entity, or doctype, which may be none"
        (doseq [doctype [(str "<!DOCTYPE a [<!ENTITY % p SYSTEM '" url "'>%p;]>") (str "<!DOCTYPE a SYSTEM '" url "'>")]]
          (is (= [:doctype :start-element :end-element]
                 (remove #{:skipped-entity} (map :event (bridge/sax-events (.getBytes (str doctype "<a/>")))))))))
      (testing "the ids of a doctype"
        (is (= {:event :doctype, :name "a", :public-id "p", :system-id url}
               (reduce (fn [_ event] (reduced event)) nil (bridge/sax-events (.getBytes (str "<!DOCTYPE a PUBLIC 'p' '" url "'><a/>")))))))
      (testing "entities that explode"
        (let [entity #(str "<!ENTITY e" % " '" (str/join (repeat 10 (str "&e" (dec %) ";"))) "'>")
              xml (str "<!DOCTYPE a [<!ENTITY e0 'x'>" (str/join (map entity (range 1 20))) "]><a>&e19;</a>")]
          (is (thrown? SAXParseException (run! identity (bridge/sax-events (.getBytes xml)))))))
      (finally (.delete secret)))))

;; Flow

(deftest publishers-to-and-fro
  (on-each-root
   (doseq [options [nil {:prefetch 1} {:prefetch 7} {:timeout-ms 60000}]]
     (is (= (range 100) (bridge/elements (bridge/publisher (generator (run! yield! (range 100)))) options))))
   (let [log (trace)
         endless (generator (try (run! yield! (range)) (finally (log :finally))))]
     (is (= [0 1 2] (into [] (take 3) (bridge/elements (bridge/publisher endless)))))
     (is (= [:finally] @log)))
   (testing "silence"
     (let [silent (reify Flow$Publisher
                    (subscribe [_ s] (.onSubscribe s (reify Flow$Subscription (request [_ _]) (cancel [_])))))]
       (is (thrown? TimeoutException (first (bridge/elements silent {:timeout-ms 1}))))))
   (testing "Java's generators"
     (let [one (Bridge/callbacks (reify Bridge$Producer (produce [_ f] (.accept ^Consumer f 1))))]
       (is (= [1] (vec (bridge/elements (bridge/publisher one))))))))
  (refuses #"Flow\$Publisher; got \[1\]" (bridge/elements [1]))
  (refuses #":prefetch must be" (bridge/elements (bridge/publisher (generator)) {:prefetch 0}))
  (refuses #":timeout-ms must be" (bridge/elements (bridge/publisher (generator)) {:timeout-ms 0}))
  (refuses #"must be a generator; got class" (bridge/publisher [1])))

;; What is larger than memory

(deftest ^:heavy what-is-larger-than-memory
  (testing "200 MB of text and 50 MB of XML in 64 MB, on this engine"
    (is (= program/expected (program/in-new-jvm "-Xmx64m")))))
