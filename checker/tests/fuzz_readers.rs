//! The entry points of the fuzz targets on mutated recordings: what a fuzzer would do for hours, for as many cases as `FAULTLINE_CASES` says.

#[expect(unreachable_pub, reason = "it is the library of the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod readers;

const SEEDS: [&str; 7] = [
    r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":"x","value":[3,null,"a"],"node":"n1"}
{"index":1,"time":6,"process":"nemesis","type":"info","f":"kill","value":{"kill":{"node":"n1"}},"fault":"f1","stage":"plan"}
{"index":3,"time":8,"process":0,"type":"ok","f":"write","key":"x","value":[3,true,-4],"node":"n1","error":"lost"}
"#,
    r#"[{"process":3,"type":"invoke","f":"txn","value":[["r",1,null],["append","y",2]]},
{"process":3,"type":"ok","f":"txn","value":[["r",1,[1,2.5e3]],["append","y",2]],"time":12,"index":1}]"#,
    r#"{:process 0, :type :invoke, :f :read, :value nil, :time 3, :index 0}
{:process :nemesis, :type :info, :f :start, :value #object[a.b 0x1f "t"]}
{:process 0, :type :ok, :f :read, :value {0 10, :x -1.5M, "two words" #{3 1/3 \a}}}
"#,
    r#"[#jepsen.history.Op{:process 0, :type :invoke, :f :read, :value [:x nil]} ; comment
#jepsen.history.Op{:process 0, :type :ok, :f :read, :value [:x "é\n\ud83d\ude00"], :error [:a nil]} #_ (1)]"#,
    r#"{:process 9, :type :invoke, :f :cas, :value #jepsen.independent/tuple [1 [2 3]]}
{:process 9, :type :info, :f :cas, :value #jepsen.independent/tuple [1 [2 3]]}
{:process 8, :type :invoke, :f :write, :value [1 2]}
"#,
    "INFO  jepsen.util - 3\t:invoke\t:cas\t[0 1]\nINFO  jepsen.core - x\nINFO  jepsen.util - 3\t:info\t:cas\t:timed-out\n",
    "{:process 2, :type :invoke, :f :get, :key \"0\", :value nil}\n{:process 2, :type :ok, :f :get, :key \"0\", :value \"x 9 0 y\"}\n",
];

/// What means something to one of the readers.
const PIECES: [&str; 34] = [
    "\"",
    "\\",
    "\\u",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "#{",
    "#_",
    "#a",
    "##",
    "^",
    ";",
    ":",
    ",",
    "\n",
    " ",
    "\t",
    "-",
    ".",
    "e",
    "/",
    "N",
    "0",
    "12345678901234567890",
    "nil",
    "null",
    "true",
    "\u{e9}",
    "nemesis",
    "INFO  jepsen.util - ",
    "7",
];

/// A generator of Marsaglia's ("Xorshift RNGs", 2003): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn mutant(&mut self) -> Vec<u8> {
        let mut bytes = SEEDS[self.below(SEEDS.len())].as_bytes().to_vec();
        for _ in 0..self.below(4) {
            let place = self.below(bytes.len() + 1);
            let end = (place + self.below(6)).min(bytes.len());
            match self.below(4) {
                0 => drop(bytes.drain(place..end)),
                1 => bytes.truncate(place),
                2 => drop(bytes.splice(place..end, [self.below(256) as u8])),
                _ => drop(bytes.splice(place..end, PIECES[self.below(PIECES.len())].bytes())),
            }
        }
        bytes
    }
}

fn cases() -> u64 {
    std::env::var("FAULTLINE_CASES").map_or(2_000, |cases| cases.parse().unwrap())
}

#[test]
fn no_mutant_of_a_recording_makes_a_reader_panic_or_disagree() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..cases() {
        let bytes = random.mutant();
        readers::any_form(&bytes);
        for (start, entry) in [
            (r#"{""#, readers::json_lines as fn(&[u8])),
            (r#"[{""#, readers::json_array),
            ("{:", readers::edn),
            ("INFO  jepsen.util - ", readers::jepsen_log),
        ] {
            if let Some(rest) = bytes.strip_prefix(start.as_bytes()) {
                entry(rest);
            }
        }
    }
}

#[test]
fn no_damage_to_a_packed_recording_makes_a_reader_panic() {
    let mut random = Random(7);
    for case in 0..cases() / 4 {
        let compression =
            [checker::history::Compression::Gzip, checker::history::Compression::Zstd]
                [case as usize % 2];
        let mut out = checker::history::Compressor::new(Vec::new(), compression);
        std::io::Write::write_all(&mut out, SEEDS[0].as_bytes()).unwrap();
        let mut packed = out.finish().unwrap();
        let place = random.below(packed.len());
        packed[place] = random.below(256) as u8;
        packed.truncate(packed.len() - random.below(3));
        let magic = if compression == checker::history::Compression::Gzip { 3 } else { 4 };
        readers::packed(&packed[magic.min(packed.len())..]);
    }
}
