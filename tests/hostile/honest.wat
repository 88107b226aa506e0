;; What the lab asks of a module, by hand: the time in Moscow and the same instant in seconds, as one JSON object.
;; Started as a server, which has no variables but what a container brings, it fails in the words that TinyGo's programs fail in.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $variables (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  ;; At 0 what to print and how long it is, at 8 what WASI calls return, from 64 the two texts.
  (data (i32.const 64) "{\"moscow_time\": \"YYYY-MM-DD hh:mm:ss\", \"timestamp\": SSSSSSSSSS}\n")
  (data (i32.const 160) "Netdev not set\n")

  (func $print (param $stream i32) (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $write (local.get $stream) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $digits (param $at i32) (param $count i32) (param $number i32)
    (loop
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (i32.store8
        (i32.add (local.get $at) (local.get $count))
        (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (br_if 0 (local.get $count))))

  ;; Whether any variable is not PATH: pointers to them from 1024, their texts from 4096.
  (func $asked (result i32)
    (local $at i32) (local $end i32)
    (drop (call $variables (i32.const 8) (i32.const 12)))
    (drop (call $environ (i32.const 1024) (i32.const 4096)))
    (local.set $at (i32.const 1024))
    (local.set $end (i32.add (i32.const 1024) (i32.shl (i32.load (i32.const 8)) (i32.const 2))))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (if (i32.ne (i32.load (i32.load (local.get $at))) (i32.const 0x48544150))
            (then (return (i32.const 1))))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br $next))))
    (i32.const 0))

  ;; Source: Howard Hinnant, chrono-compatible low-level date algorithms, civil_from_days; years begin in March.
  (func $date (param $days i32)
    (local $era i32) (local $year i32) (local $month i32)
    (local.set $days (i32.add (local.get $days) (i32.const 719468)))
    (local.set $era (i32.div_u (local.get $days) (i32.const 146097)))
    (local.set $days (i32.rem_u (local.get $days) (i32.const 146097)))
    (local.set $year
      (i32.div_u
        (i32.sub
          (i32.add
            (i32.sub (local.get $days) (i32.div_u (local.get $days) (i32.const 1460)))
            (i32.div_u (local.get $days) (i32.const 36524)))
          (i32.div_u (local.get $days) (i32.const 146096)))
        (i32.const 365)))
    (local.set $days
      (i32.sub
        (i32.add (local.get $days) (i32.div_u (local.get $year) (i32.const 100)))
        (i32.add (i32.mul (local.get $year) (i32.const 365)) (i32.div_u (local.get $year) (i32.const 4)))))
    (local.set $month
      (i32.div_u (i32.add (i32.mul (local.get $days) (i32.const 5)) (i32.const 2)) (i32.const 153)))
    (call $digits (i32.const 89) (i32.const 2)
      (i32.add (i32.const 1)
        (i32.sub (local.get $days)
          (i32.div_u (i32.add (i32.mul (local.get $month) (i32.const 153)) (i32.const 2)) (i32.const 5)))))
    (local.set $year
      (i32.add
        (i32.add (local.get $year) (i32.mul (local.get $era) (i32.const 400)))
        (i32.ge_u (local.get $month) (i32.const 10))))
    (call $digits (i32.const 81) (i32.const 4) (local.get $year))
    (call $digits (i32.const 86) (i32.const 2)
      (i32.add (i32.const 1) (i32.rem_u (i32.add (local.get $month) (i32.const 2)) (i32.const 12)))))

  (func (export "_start") (local $seconds i32) (local $moscow i32)
    (if (i32.eqz (call $asked))
      (then (call $print (i32.const 2) (i32.const 160) (i32.const 15)) (call $exit (i32.const 1))))
    (drop (call $clock (i32.const 0) (i64.const 1000000) (i32.const 8)))
    (local.set $seconds (i32.wrap_i64 (i64.div_u (i64.load (i32.const 8)) (i64.const 1000000000))))
    (local.set $moscow (i32.add (local.get $seconds) (i32.const 10800)))
    (call $date (i32.div_u (local.get $moscow) (i32.const 86400)))
    (local.set $moscow (i32.rem_u (local.get $moscow) (i32.const 86400)))
    (call $digits (i32.const 92) (i32.const 2) (i32.div_u (local.get $moscow) (i32.const 3600)))
    (call $digits (i32.const 95) (i32.const 2)
      (i32.div_u (i32.rem_u (local.get $moscow) (i32.const 3600)) (i32.const 60)))
    (call $digits (i32.const 98) (i32.const 2) (i32.rem_u (local.get $moscow) (i32.const 60)))
    (call $digits (i32.const 116) (i32.const 10) (local.get $seconds))
    (call $print (i32.const 1) (i32.const 64) (i32.const 64))))
