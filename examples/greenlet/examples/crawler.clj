(ns greenlet.examples.crawler
  "A crawler. Some tasks take addresses from a queue, get the pages, and put what these link to into the queue, until all is done. What
  fails is tried again, later and later. What takes too long is given up, which closes its connection.

  `-main` takes the address of a site and prints what became of each of its pages."
  (:require [greenlet.hub :refer [join put! queue run scope sleep! spawn task-done! timeout]]
            [greenlet.io :refer [connect tls-client]])
  (:import (clojure.lang ExceptionInfo)
           (java.io IOException InputStream)
           (java.net Socket URI)
           (java.util.concurrent TimeoutException)
           (org.apache.hc.core5.http ClassicHttpResponse HttpEntity)
           (org.apache.hc.core5.http.config Http1Config)
           (org.apache.hc.core5.http.impl.io DefaultBHttpClientConnection HttpRequestExecutor)
           (org.apache.hc.core5.http.message BasicClassicHttpRequest)
           (org.apache.hc.core5.http.protocol HttpCoreContext)))

(set! *warn-on-reflection* true)

(def defaults
  {:workers 10         ; how many pages are got at a time
   :tries 3            ; of a page
   :pause 0.1          ; seconds before the second try, twice as many before each further one
   :seconds 10         ; for a try, with all its redirects
   :hops 5             ; redirects of a page
   :most-bytes 1000000 ; of a page
   :most-pages 1000})

;; One page

(defn- give-up [reason]
  (throw (ex-info reason {})))

(defn- connect-to ^Socket [^URI uri]
  (let [secure (= "https" (.getScheme uri))
        port (if (neg? (.getPort uri)) (if secure 443 80) (.getPort uri))]
    ((if secure tls-client connect) (.getHost uri) port)))

(defn- text-of [^HttpEntity entity most]
  (let [^InputStream in (.getContent entity) ; not closed: that would read it to its end
        bytes (.readNBytes in (inc (long most)))]
    (if (< (long most) (alength bytes))
      (give-up (str "more than " most " bytes"))
      (String. bytes "UTF-8"))))

(defn- ask
  "The answer to one request."
  [^URI uri {:keys [most-bytes]}]
  (with-open [socket (connect-to uri)]
    (let [connection (doto (DefaultBHttpClientConnection. Http1Config/DEFAULT) (.bind socket))
          request (doto (BasicClassicHttpRequest. "GET" uri) (.setHeader "Host" (.getAuthority uri)))
          ^ClassicHttpResponse response (.execute (HttpRequestExecutor.) request connection (HttpCoreContext/create))
          status (.getCode response)]
      {:status status
       :location (some-> (.getFirstHeader response "Location") .getValue)
       :text (when (= 200 status) (text-of (.getEntity response) most-bytes))})))

(defn- same-site
  "Where `link`, on the page at `uri`, leads to; nil if that is another site, or nowhere."
  ^URI [^URI uri ^String link]
  (let [to (try (.resolve uri link) (catch IllegalArgumentException _))]
    (when (and to (= (.getAuthority uri) (.getAuthority ^URI to))) to)))

(defn- follow
  "The page, wherever on its site it has moved to. An IOException if another try may help."
  [^URI uri {:keys [hops] :as options}]
  (loop [uri uri, left (long hops)]
    (let [{:keys [status location] :as answer} (ask uri options)]
      (cond
        (= 200 status) (assoc answer :uri uri)
        (<= 500 (long status)) (throw (IOException. (str "status " status)))
        (not location) (give-up (str "status " status))
        (zero? left) (give-up (str "more than " hops " redirects"))
        :else (recur (or (same-site uri location) (give-up (str "moved to " location))) (dec left))))))

(defn- fetch
  "A map of :tries and of a page's :uri and :text, or of why it was :given-up."
  [uri {:keys [tries pause seconds] :as options}]
  (loop [n 1, pause pause]
    (let [[page reason final] (try
                                [(timeout seconds (follow uri options))]
                                (catch TimeoutException _ [nil (str "more than " seconds " seconds")])
                                (catch ExceptionInfo e [nil (ex-message e) true])
                                (catch Exception e [nil (str (.getSimpleName (class e)) ": " (ex-message e))]))]
      (cond
        page (assoc page :tries n)
        (or final (= n tries)) {:given-up reason, :tries n}
        :else (do (sleep! pause)
                  (recur (inc n) (* 2 pause)))))))

;; All pages

(defn- links [{:keys [uri text]}]
  (keep (fn [[_ link]] (same-site uri link)) (re-seq #"(?i)\bhref\s*=\s*[\"']([^\"'#]*)" (str text))))

(defn crawl
  "Gets the page at `start`, an address, and those of the same site that it leads to. A map by address of maps: of :tries and, where a
  page could not be got, of :given-up, the reason. `options` are as in `defaults`. However it ends, no connection is left."
  [start options]
  (let [{:keys [workers most-pages] :as options} (merge defaults options)
        found (atom {}) ; nil, while a page is to be got
        uris (queue)
        add! (fn [uri]
               (when-not (or (contains? @found uri) (<= (long most-pages) (count @found)))
                 (swap! found assoc uri nil)
                 (put! uris uri)))
        visit (fn [uri]
                (let [page (fetch uri options)]
                  (swap! found assoc uri (select-keys page [:tries :given-up]))
                  (run! add! (links page))
                  (task-done! uris)))]
    (add! (URI. start))
    (scope
      (dotimes [_ workers] (spawn #(run! visit uris)))
      (join uris))
    (update-keys @found str)))

(defn -main [start]
  (doseq [[uri {:keys [tries given-up]}] (sort (run (crawl start {})))]
    (println (str uri (when given-up (str " given up: " given-up)) (when (< 1 (long tries)) (str ", tries: " tries))))))
