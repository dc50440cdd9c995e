(ns greenlet.random
  "How many random cases a property is tried with: `bin/verify` tries more than the gate.")

(defn times
  "`n`, or as many times more as the system property greenlet.random.factor says."
  [n]
  (* n (Long/getLong "greenlet.random.factor" 1)))
