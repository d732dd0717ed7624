//! Output of tmux 3.3a as it was recorded, output that was tampered with, and
//! names that try to be rows.

use proptest::prelude::*;

use super::*;

/// One private server; the names and tags were chosen to do harm.
const RECORDED: &[&str] = &[
    "H 1795164214 28515 1795164213 3.3a",
    "S $6 1795164213 1795164213  0 0 0  @6%6:28534:0:1795164213; 14   two  spaces  ",
    "S $2 1795164213 1795164213  0 0 28  @2%2:28522:0:1795164213;@2%9:0:1:1795164213;@1%1:28519:0:1795164213; 5 =lead evilS $9 1 1  0 0 0 0 1  x ",
    "S $1 1795164213 1795164213  0 0 27  @1%1:28519:0:1795164213; 9 a b|c_d_e tmux//tmp/tmux-0/default/$3",
    "S $8 1795164213 1795164213  0 0 0  @8%8:28545:1:1795164213; 4 dead ",
    "S $7 1795164213 1795164213  0 0 0 plain @0%0:28516:0:1795164213; 6 member ",
    r"S $5 1795164213 1795164213  0 0 0  @5%5:28531:0:1795164213; 20 nl\nP $9 @9 %9 1 0 1 ",
    "S $0 1795164213 1795164213  0 1 0 plain @0%0:28516:0:1795164213; 5 plain ",
    "S $4 1795164213 1795164213 1795164220 1 0 11  @4%4:28528:0:1795164213; 12 ünï 日本 w_rker one",
    "C $4 1",
];

fn lines(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

fn recorded() -> Rows {
    parse(&lines(RECORDED)).expect("the server's row is there")
}

/// The recorded rows with one more.
fn with(row: &str) -> Rows {
    let mut all = RECORDED.to_vec();
    all.push(row);
    parse(&lines(&all)).expect("the server's row is there")
}

fn session(rows: &Rows, number: u32) -> &SessionRow {
    let found = rows.sessions.iter().find(|row| row.number.0 == number);
    found.expect("the session was recorded")
}

#[test]
fn recorded_output_is_understood() {
    let rows = recorded();
    assert_eq!(rows.flaws, [""; 0]);
    let server =
        Server { now: 1_795_164_214, pid: 28_515, started: 1_795_164_213, version: "3.3a".to_owned() };
    assert_eq!(rows.server, server);
    let names: Vec<_> = rows.sessions.iter().map(|row| row.name.as_str()).collect();
    let expected = [
        "  two  spaces ",
        "=lead",
        "a b|c_d_e",
        "dead",
        "member",
        r"nl\nP $9 @9 %9 1 0 1",
        "plain",
        "ünï 日本",
    ];
    assert_eq!(names, expected);
    assert_eq!(rows.clients, [Client { session: SessionNumber(4), control: true }]);
}

#[test]
fn the_panes_of_a_session_and_what_lives_in_them() {
    let rows = recorded();
    let pane = |window, id, state| Pane { window, id, window_activity: 1_795_164_213, state };
    let panes = [
        pane(2, 2, PaneState::Live(28_522)),
        pane(2, 9, PaneState::Empty),
        pane(1, 1, PaneState::Live(28_519)),
    ];
    assert_eq!(session(&rows, 2).panes, panes);
    assert_eq!(session(&rows, 8).panes, [pane(8, 8, PaneState::Dead)]);
    assert_eq!(session(&rows, 0).panes, session(&rows, 7).panes, "a window that two sessions show");
}

#[test]
fn tags_groups_and_times() {
    let rows = recorded();
    assert!(session(&rows, 0).protected && !session(&rows, 1).protected);
    assert_eq!(session(&rows, 7).group.as_deref(), Some("plain"));
    assert_eq!(session(&rows, 1).group, None);
    assert_eq!((session(&rows, 4).last_attached, session(&rows, 4).attached), (Some(1_795_164_220), 1));
    assert_eq!(session(&rows, 0).last_attached, None);
    let tags = [
        (1, Some(("tmux//tmp/tmux-0/default/$3", true))),
        (2, Some(("evilS $9 1 1  0 0 0 0 1  x ", false))),
        (4, Some(("w_rker one", false))),
        (6, None),
    ];
    for (number, expected) in tags {
        let tag = session(&rows, number).owner.as_ref().map(|tag| (tag.text.as_str(), tag.exact));
        assert_eq!(tag, expected, "${number}");
    }
}

#[test]
fn a_row_that_does_not_fit_is_reported() {
    let odd = [
        "",
        "X $1",
        "S $9",
        "P $1 @1 %1 28519 0 1795164213",
        "C $1",
        "C $1 ",
        "C $1 yes",
        "S $9 1 1  0 0 0  @9%9:7:0:1; 2 x ",
        "S $9 1 1  0 0 0  @9%9:7:0:1; 0  ",
        "S $9 1 1  0 2 0  @9%9:7:0:1; 1 x ",
        "S $9 1   0 0 0  @9%9:7:0:1; 1 x ",
        "S $9 1 1  0 0 0  @9%9:7:0:1; 1 x",
        "S $9 1 1  0 0 0  @9%9:7:0:1; 99999999999999999999 x ",
        "S $9 1 1  0 0 0  @9%9:7:0:1; 1 x owner longer than said",
        "S $9 1 1  0 0 9  @9%9:7:0:1; 1 x tab\there",
        "S $9 1 1  0 0 0  @9%9:7:0:1; 1 ü ",
        "S $9 1 1  0 0 0 gr\u{fc}n @9%9:7:0:1; 1 x ",
        "S $9 1 1  0 0 0 tab\there @9%9:7:0:1; 1 x ",
        "S $9 1 1  0 0 0 a group @9%9:7:0:1; 1 x ",
        "H 1 2 3 3.3a",
    ];
    for row in odd {
        let rows = with(row);
        assert_eq!(rows.flaws.len(), 1, "{row:?}: {:?}", rows.flaws);
        assert_eq!((rows.sessions.len(), rows.clients.len()), (8, 1), "{row:?}");
    }
}

#[test]
fn panes_that_do_not_fit_are_reported_with_their_session() {
    let odd = [
        "",
        ";",
        "@9%9:7:0:1",
        "@9%9:7:0:1;;",
        "@9%9:7:0:1;@9%8:7:0;",
        "@9%9:7:0:1:;",
        "@9%9:7:0:1:1;",
        "@9%9:7:2:1;",
        "@9%9:7::1;",
        "@9%9:0:0:1;",
        "@9%9:-1:0:1;",
        "@9%9:+7:0:1;",
        "@9%9:4294967296:0:1;",
        "@9:7:0:1;",
        "9%9:7:0:1;",
        "@%:7:0:1;",
        "@9%9%9:7:0:1;",
        "%9@9:7:0:1;",
    ];
    for panes in odd {
        let rows = with(&format!("S $9 1 1  0 0 0  {panes} 1 x "));
        assert_eq!((rows.flaws.len(), rows.sessions.len()), (1, 8), "{panes:?}: {:?}", rows.flaws);
    }
}

#[test]
fn rows_that_do_not_belong_together_are_reported() {
    let cases = [
        ("C $9 0", "there are rows of a session $9 that is not listed"),
        ("S $0 1 1  0 0 0  @0%0:7:0:1; 1 x ", "the session $0 is there twice"),
    ];
    for (row, flaw) in cases {
        assert_eq!(with(row).flaws, [flaw], "{row:?}");
    }
}

#[test]
fn without_the_servers_row_nothing_counts() {
    let cases = [
        "",
        "\n",
        "S $0 1 1  0 0 0  @0%0:7:0:1; 1 x \n",
        "H 1 2 3 \n",
        "H 1 2 3\n",
        "H 1 0 3 3.3a\n",
        "H x 2 3 3.3a\n",
        "H\n",
    ];
    for output in cases {
        assert!(parse(output.as_bytes()).is_err(), "{output:?}");
    }
}

#[test]
fn output_that_breaks_off_is_not_whole() {
    let all = lines(RECORDED);
    for end in RECORDED[0].len() + 1..all.len() {
        let rows = parse(&all[..end]).expect("the server's row is there");
        let at_line_end = all[end - 1] == b'\n';
        assert!(!rows.flaws.is_empty() || at_line_end, "cut after {end} bytes");
    }
    assert_eq!(parse(&all[..all.len() - 1]).expect("readable").flaws, ["its output breaks off"]);
}

#[test]
fn text_that_is_not_utf8_is_a_flaw() {
    let mut output = lines(RECORDED);
    output.extend(b"S $9 1 1  0 0 0  @9%9:7:0:1; 1 \xff \n");
    assert_eq!(parse(&output).expect("readable").flaws.len(), 1);
}

proptest! {
    /// Whatever a name holds, it is that session's name and nothing else. tmux
    /// escapes control characters in names, and replaces what it is asked to in
    /// groups and owners, so there is none of that here.
    #[test]
    fn no_name_group_or_owner_shifts_a_field(
        name in "\\PC{1,40}",
        group in "[!-~]{0,40}",
        owner in "[ -~]{0,40}",
    ) {
        let row = format!(
            "S $9 11 22  0 1 {} {group} @99%99:77:0:33; {} {name} {owner}",
            owner.len(), name.len(),
        );
        let mut all = RECORDED.to_vec();
        all.push(&row);
        let rows = parse(&lines(&all)).expect("the server's row is there");
        prop_assert_eq!(&rows.flaws, &Vec::<String>::new());
        let found = session(&rows, 9);
        prop_assert_eq!(&found.name, &name);
        prop_assert_eq!(found.group.as_deref().unwrap_or_default(), &group);
        prop_assert_eq!(found.owner.as_ref().map_or("", |tag| tag.text.as_str()), &owner);
        prop_assert_eq!((found.created, found.activity, found.protected), (11, 22, true));
        prop_assert_eq!(rows.sessions.len(), 9);
    }

    /// Any bytes at all: no panic, and never a session without a row of its own.
    #[test]
    fn any_bytes_are_survived(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut output = lines(RECORDED);
        output.extend(&junk);
        let rows = parse(&output).expect("the server's row is there");
        let forged = junk.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"S $")).count();
        prop_assert!(rows.sessions.len() <= 8 + forged);
        prop_assert!(junk.is_empty() || !rows.flaws.is_empty() || forged > 0 || junk.starts_with(b"C "));
    }
}
