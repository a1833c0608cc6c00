//! `--perfetto`: the files, read by an independent decoder of protocol buffers, against what the run says of itself.

mod common;

use std::collections::BTreeMap;

use common::{expect, file, json, mmusim, stdout};
use prost::Message;

/// A part of `perfetto_trace.proto`, with its numbers.
#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<TracePacket>,
}

#[derive(Clone, PartialEq, Message)]
struct TracePacket {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    trusted_packet_sequence_id: Option<u32>,
    #[prost(message, optional, tag = "11")]
    track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "12")]
    interned_data: Option<InternedData>,
    #[prost(uint32, optional, tag = "13")]
    sequence_flags: Option<u32>,
    #[prost(message, optional, tag = "60")]
    track_descriptor: Option<TrackDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct TrackDescriptor {
    #[prost(uint64, optional, tag = "1")]
    uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    parent_uuid: Option<u64>,
    #[prost(message, optional, tag = "8")]
    counter: Option<CounterDescriptor>,
    /// 3 is by rank.
    #[prost(int32, optional, tag = "11")]
    child_ordering: Option<i32>,
    #[prost(int32, optional, tag = "12")]
    sibling_order_rank: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct CounterDescriptor {}

#[derive(Clone, PartialEq, Message)]
struct InternedData {
    #[prost(message, repeated, tag = "2")]
    event_names: Vec<EventName>,
}

#[derive(Clone, PartialEq, Message)]
struct EventName {
    #[prost(uint64, optional, tag = "1")]
    iid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    debug_annotations: Vec<DebugAnnotation>,
    #[prost(enumeration = "Type", optional, tag = "9")]
    r#type: Option<i32>,
    #[prost(uint64, optional, tag = "10")]
    name_iid: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    track_uuid: Option<u64>,
    #[prost(int64, optional, tag = "30")]
    counter_value: Option<i64>,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    flow_ids: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    terminating_flow_ids: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct DebugAnnotation {
    #[prost(uint64, optional, tag = "3")]
    uint_value: Option<u64>,
    #[prost(string, optional, tag = "6")]
    string_value: Option<String>,
    #[prost(string, optional, tag = "10")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Type {
    Unspecified = 0,
    Begin = 1,
    End = 2,
    Instant = 3,
    Counter = 4,
}

/// A slice that was read.
#[derive(Clone, Debug)]
struct Slice {
    track: String,
    name: String,
    /// The slice around it.
    parent: Option<String>,
    begin: u64,
    end: u64,
    about: Option<u64>,
    starts: Vec<u64>,
    ends: Vec<u64>,
}

/// A file that was read, and found to be well formed.
#[derive(Debug, Default)]
struct Timeline {
    title: String,
    tracks: Vec<String>,
    slices: Vec<Slice>,
    /// Track, name, time.
    points: Vec<(String, String, u64)>,
    /// The values of each counter.
    counters: BTreeMap<String, Vec<i64>>,
    provenance: BTreeMap<String, String>,
}

impl Timeline {
    fn read(bytes: &[u8]) -> Timeline {
        let file = Trace::decode(bytes).expect("a trace");
        assert_eq!(file.encode_to_vec().len(), bytes.len(), "every field of the file is one of these");
        let mut out = Timeline::default();
        let (mut names, mut tracks, mut open) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut last = 0;
        for (n, packet) in file.packet.into_iter().enumerate() {
            assert_eq!(packet.trusted_packet_sequence_id, Some(1));
            assert_eq!(packet.sequence_flags, Some(if n == 0 { 3 } else { 2 }));
            for entry in packet.interned_data.unwrap_or_default().event_names {
                assert!(names.insert(entry.iid.expect("an id"), entry.name.expect("a name")).is_none());
            }
            if let Some(track) = packet.track_descriptor {
                let (uuid, name) = (track.uuid.expect("an id"), track.name.expect("a name"));
                match track.parent_uuid {
                    None => {
                        assert_eq!(track.child_ordering, Some(3));
                        out.title.clone_from(&name);
                    }
                    Some(parent) => {
                        assert!(tracks.contains_key(&parent));
                        assert_eq!(track.sibling_order_rank, i32::try_from(out.tracks.len()).ok());
                        out.tracks.push(name.clone());
                    }
                }
                if track.counter.is_some() {
                    out.counters.insert(name.clone(), Vec::new());
                }
                assert!(tracks.insert(uuid, name).is_none());
            }
            let Some(event) = packet.track_event else { continue };
            let now = packet.timestamp.expect("an event has a time");
            assert!(now >= last, "{now} after {last}");
            last = now;
            let track = tracks[&event.track_uuid.expect("an event has a track")].clone();
            let name = event.name_iid.map(|iid| names[&iid].clone());
            out.event(&event, (track, name, now), &mut open);
        }
        assert!(open.values().all(Vec::is_empty), "slices are left open: {open:?}");
        out
    }

    fn event(
        &mut self,
        event: &TrackEvent,
        (track, name, now): (String, Option<String>, u64),
        open: &mut BTreeMap<String, Vec<Slice>>,
    ) {
        match event.r#type() {
            Type::Begin => {
                assert!(!self.counters.contains_key(&track));
                let stack = open.entry(track.clone()).or_default();
                let parent = stack.last().map(|slice| slice.name.clone());
                let about = event.debug_annotations.iter().find_map(|annotation| annotation.uint_value);
                let (starts, ends) = (event.flow_ids.clone(), event.terminating_flow_ids.clone());
                let name = name.expect("a slice has a name");
                stack.push(Slice { track, name, parent, begin: now, end: now, about, starts, ends });
            }
            Type::End => {
                let slice = open.get_mut(&track).and_then(Vec::pop).expect("a slice that ends has begun");
                self.slices.push(Slice { end: now, ..slice });
            }
            Type::Instant if name.as_deref() == Some("provenance") => {
                for annotation in &event.debug_annotations {
                    let (name, value) = (annotation.name.clone(), annotation.string_value.clone());
                    self.provenance.insert(name.expect("a name"), value.expect("a text"));
                }
            }
            Type::Instant => self.points.push((track, name.expect("a point has a name"), now)),
            Type::Counter => {
                let values = self.counters.get_mut(&track).expect("the track of a counter");
                values.push(event.counter_value.expect("a value"));
            }
            Type::Unspecified => panic!("an event without a type"),
        }
    }

    fn named(&self, name: &str) -> Vec<&Slice> {
        self.slices.iter().filter(|slice| slice.name == name).collect()
    }

    /// Arrows: each begins in one `post` and ends in one `flush` of the CPU it was posted to, later, for the one that posted.
    fn arrows(&self) -> usize {
        let cpu = |slice: &Slice| slice.track.strip_prefix("CPU ").and_then(|cpu| cpu.parse::<u64>().ok());
        let mut from = BTreeMap::new();
        for slice in &self.slices {
            for &flow in &slice.starts {
                assert_eq!(slice.name, "post");
                assert!(from.insert(flow, slice).is_none(), "arrow {flow} starts twice");
            }
        }
        let started = from.len();
        for slice in &self.slices {
            for flow in &slice.ends {
                let post = from.remove(flow).unwrap_or_else(|| panic!("arrow {flow} ends and has no start, or twice"));
                assert_eq!((slice.name.as_str(), slice.parent.as_deref()), ("flush", Some("interrupt")));
                assert_eq!((post.about, slice.about), (cpu(slice), cpu(post)));
                assert!(post.begin < slice.begin, "{post:?} {slice:?}");
            }
        }
        assert!(from.is_empty(), "{} arrows do not end", from.len());
        started
    }
}

/// A workload with windows and violations under `batched`, cut short.
fn workload() -> (tempfile::TempDir, String) {
    let text = workloads::synthetic::find("overlap-two-tables").expect("built in").text;
    let cut = text.replace("duration_cycles = 100_000_000", "duration_cycles = 3_000_000");
    assert_ne!(text, cut);
    file("drawn.toml", cut.as_bytes())
}

fn drawn(args: &[&str]) -> (Vec<u8>, String) {
    let (_directory, path) = file("out.pftrace", b"");
    let printed = stdout(&[args, &["--perfetto", &path]].concat());
    (std::fs::read(&path).expect("a file"), printed)
}

#[test]
fn a_run_is_drawn_as_it_says_of_itself() {
    let (_directory, path) = workload();
    let args = ["compare", &path, "--policy", "unpatched"];
    let document = json(&args);
    let metric = |name: &str| {
        document["comparisons"][0]["runs"][0]["metrics"][name].as_u64().unwrap_or_else(|| panic!("{name}"))
    };
    let (bytes, _) = drawn(&args);
    let timeline = Timeline::read(&bytes);

    assert_eq!(timeline.title, "overlap-two-tables under unpatched, v4.13, on skx_2s, seed 1 (1 ns is 1 cycle)");
    let counters = ["stale TLB entries (marked)", "pending flushes (deferred)"];
    let cores: Vec<String> = (0..13).map(|cpu| format!("CPU {cpu}")).collect();
    assert!(
        timeline.tracks.iter().map(String::as_str).eq(counters.into_iter().chain(cores.iter().map(String::as_str)))
    );
    assert_eq!(timeline.provenance["seed"], "1");
    assert_eq!(timeline.provenance["workload_sha256"].len(), 64);

    assert_eq!(timeline.named("interrupt").len() as u64, metric("ipis_received"));
    assert_eq!(timeline.arrows() as u64, metric("flush_requests"));
    assert_eq!(timeline.named("fault").len() as u64, metric("faults"));
    let lists = timeline.named("reclaim");
    assert_eq!(lists.len() as u64, metric("shrink_lists"));
    assert!(timeline.named("mprotect").len() > 10);
    let waits = timeline.slices.iter().filter(|slice| slice.name.starts_with("waiting for "));
    let locks = waits.filter(|slice| slice.name.ends_with("lock") || slice.name.contains("mmap_lock"));
    assert_eq!(locks.map(|slice| slice.end - slice.begin).sum::<u64>(), metric("lock_wait_cycles"));
    let violations = timeline.points.iter().filter(|point| point.1.starts_with("permission violation, page "));
    assert_eq!(violations.count() as u64, metric("violations_permission"));
    assert!(metric("violations_permission") > 0 && metric("windows_permission") > 0, "there is something to see");

    for values in timeline.counters.values() {
        assert_eq!((values.first(), values.last()), (Some(&0), Some(&0)));
        assert!(values.iter().all(|&value| value >= 0) && values.iter().any(|&value| value > 0), "{values:?}");
    }
    let pending = &timeline.counters["pending flushes (deferred)"];
    let put_off = pending.windows(2).map(|pair| (pair[1] - pair[0]).max(0)).sum::<i64>();
    assert_eq!(put_off.cast_unsigned(), metric("deferred_pages"));
}

#[test]
fn neither_run_ahead_nor_drawing_changes_anything() {
    let (_directory, path) = workload();
    let args = ["compare", &path, "--policy", "patched", "--format", "csv"];
    let (bytes, printed) = drawn(&args);
    assert_eq!(printed, stdout(&args));
    for more in [&["--no-run-ahead"][..], &["--lookahead", "30"]] {
        let (again, _) = drawn(&[&args[..], more].concat());
        assert!(bytes == again, "{more:?}");
    }
    Timeline::read(&bytes).arrows();
}

#[test]
fn a_replay_is_drawn_as_it_is_counted() {
    let args = ["replay", "pageout-dirty-mprotect", "--policy", "pending-generation", "--format", "csv"];
    let (bytes, printed) = drawn(&args);
    assert_eq!(printed, stdout(&args));
    let timeline = Timeline::read(&bytes);
    // README: full shootdowns by IPI of all calls of this recording.
    assert_eq!(timeline.arrows(), 1300);
    assert_eq!(timeline.named("flush: pending check").len(), 20);
    assert_eq!(timeline.provenance["recording"], "pageout-dirty-mprotect");
    // One command draws what the other does.
    let title = |timeline: &Timeline| timeline.title.clone();
    let compared = drawn(&["compare", "pageout-dirty-mprotect", "--policy", "pending-generation"]).0;
    assert_eq!(title(&Timeline::read(&compared)), title(&timeline));
}

#[test]
fn a_witness_is_drawn_move_by_move() {
    let (_directory, witness) = file("witness.json", b"");
    mmusim(&["check", "B01-mprotect-ro", "--policy", "batched", "--witness", &witness]).assert().success();
    let moves = json(&["replay", &witness])["moves"].as_array().expect("moves").len();
    let (bytes, _) = drawn(&["replay", &witness]);
    let timeline = Timeline::read(&bytes);
    assert_eq!(timeline.slices.len(), moves);
    assert_eq!(timeline.named("R4.4a ptep_get_and_clear()").len(), 1);
    assert_eq!(timeline.tracks, ["pending flushes (deferred)", "CPU 0", "CPU 1", "CPU 2"]);
    let points: Vec<_> = timeline.points.iter().map(|point| (point.0.as_str(), point.1.as_str())).collect();
    assert_eq!(points, [("CPU 1", "permission violation")]);
}

#[test]
fn a_timeline_is_of_one_run() {
    let (_directory, out) = file("out.pftrace", b"untouched");
    expect(&["compare", "overlap", "--perfetto", &out], &["--perfetto draws one run", "expected one --policy"]);
    expect(&["compare", "overlap", "--policy", "patched", "--seeds", "2", "--perfetto", &out], &["--seeds"]);
    expect(&["compare", "--policy", "patched", "--perfetto", &out], &["TRACE|WORKLOAD"]);
    expect(
        &["compare", "overlap", "--policy", "patched", "--perfetto", "/no/such/file"],
        &["directory does not exist"],
    );
    expect(&["replay", "pageout-dirty-mprotect", "--perfetto", "/no/such/file"], &["directory does not exist"]);
    assert_eq!(std::fs::read(&out).expect("a file"), b"untouched");
}
