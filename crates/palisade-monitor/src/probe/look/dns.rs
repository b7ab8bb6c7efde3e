//! A question to a DNS server (RFC 1035) over UDP.

use super::{Seen, limit, reach, said, shown, unreached};
use crate::outbound::{self, Reach};
use crate::probe::spec::{ProbeSpec, RecordWord};
use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::UdpSocket;

/// Questions that are sent before the server counts as silent.
const QUESTIONS_MAX: u32 = 3;
/// The largest datagram that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4_096;
/// Answers that are shown.
const ANSWERS_SHOWN_MAX: usize = 10;
/// Which DNS servers this machine uses (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";

pub(super) async fn look(spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String> {
    let server = server(spec).await?;
    seen.fact("server", server.to_string());
    let name = Name::from_ascii(format!("{}.", spec.target)).map_err(|e| said(&e))?;
    let question = question(&name, spec.record.unwrap_or_default());
    let answer = asked(server, &question, spec).await?;
    let code = answer.metadata.response_code;
    seen.fact("code", code.to_str());
    let answers: Vec<String> = answer.answers.iter().map(|record| shown(&record.data.to_string())).collect();
    seen.values.push(("probe_dns_answers", answers.len() as f64));
    seen.fact("answers", answers.iter().take(ANSWERS_SHOWN_MAX).cloned().collect::<Vec<_>>());
    judge(code, &answers, spec.expect.address.as_deref())
}

/// Pure: whether the answers are what was expected.
fn judge(code: ResponseCode, answers: &[String], expected: Option<&str>) -> Result<(), String> {
    if code != ResponseCode::NoError {
        return Err(format!("the server answered `{}`", code.to_str()));
    }
    if answers.is_empty() {
        return Err("the name has no such record".to_owned());
    }
    let same = |answer: &str, wanted: &str| {
        let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
        plain(answer) == plain(wanted)
            || matches!((answer.parse::<IpAddr>(), wanted.parse::<IpAddr>()), (Ok(a), Ok(b)) if a == b)
    };
    match expected {
        Some(wanted) if !answers.iter().any(|answer| same(answer, wanted)) => {
            Err(format!("`{}` is not among the answers: {}", shown(wanted), answers.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The server that is named, within what the probe may reach; else the machine's own, which its
/// administrator has chosen, wherever it is.
async fn server(spec: &ProbeSpec) -> Result<SocketAddr, String> {
    if let Some(server) = &spec.server {
        let all = outbound::resolve(server, reach(spec), limit(spec)).await.map_err(unreached)?;
        return all.first().copied().ok_or_else(|| "the server has no address".to_owned());
    }
    let text = tokio::task::spawn_blocking(|| palisade_sys::Root::live().text(RESOLV_CONF)).await;
    let text = text.map_err(|e| said(&e))?.map_err(|e| said(&e))?;
    let address =
        name_server(&text).ok_or_else(|| format!("{RESOLV_CONF} names no DNS server; give one as `server`"))?;
    outbound::permitted(address, Reach::Anywhere).map_err(unreached)?;
    Ok(SocketAddr::new(address, 53))
}

/// The first `nameserver` (resolv.conf(5)).
fn name_server(text: &str) -> Option<IpAddr> {
    let of = |line: &str| line.strip_prefix("nameserver").and_then(|rest| rest.trim().parse().ok());
    text.lines().find_map(of)
}

fn question(name: &Name, record: RecordWord) -> Message {
    let kind = match record {
        RecordWord::A => RecordType::A,
        RecordWord::Aaaa => RecordType::AAAA,
        RecordWord::Cname => RecordType::CNAME,
        RecordWord::Mx => RecordType::MX,
        RecordWord::Ns => RecordType::NS,
        RecordWord::Ptr => RecordType::PTR,
        RecordWord::Soa => RecordType::SOA,
        RecordWord::Srv => RecordType::SRV,
        RecordWord::Txt => RecordType::TXT,
    };
    let mut message = Message::query(); // with a random number
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    message
}

/// Sends the question until its answer comes; a packet may get lost.
async fn asked(server: SocketAddr, question: &Message, spec: &ProbeSpec) -> Result<Message, String> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(|e| said(&e))?;
    socket.connect(server).await.map_err(|e| said(&e))?;
    let packet = question.to_vec().map_err(|e| said(&e))?;
    for _ in 0..QUESTIONS_MAX {
        socket.send(&packet).await.map_err(|e| said(&e))?;
        match tokio::time::timeout(limit(spec) / QUESTIONS_MAX, answered(&socket, question)).await {
            Ok(answer) => return answer.map_err(|e| format!("asking {server}: {}", said(&e))),
            Err(_) => continue,
        }
    }
    Err(format!("{server} did not answer {QUESTIONS_MAX} questions"))
}

/// The first datagram that answers this question; others are passed over, for they may be forged.
async fn answered(socket: &UdpSocket, question: &Message) -> std::io::Result<Message> {
    let mut packet = [0; ANSWER_BYTES_MAX];
    loop {
        let length = socket.recv(&mut packet).await?;
        let Ok(message) = Message::from_vec(&packet[..length]) else { continue };
        let is_answer = message.metadata.message_type == MessageType::Response
            && message.metadata.id == question.metadata.id
            && message.queries == question.queries;
        if is_answer {
            return Ok(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_hold_what_is_expected() {
        let answers = ["203.0.113.7".to_owned(), "Mail.Example.org.".to_owned()];
        assert_eq!(judge(ResponseCode::NoError, &answers, None), Ok(()));
        assert_eq!(judge(ResponseCode::NoError, &answers, Some("mail.example.org")), Ok(()));
        assert!(judge(ResponseCode::NoError, &answers, Some("203.0.113.8")).is_err());
        assert!(judge(ResponseCode::NoError, &["2001:db8::1".to_owned()], Some("2001:DB8:0::1")).is_ok());
        assert!(judge(ResponseCode::NXDomain, &[], None).is_err());
        assert!(judge(ResponseCode::NoError, &[], None).is_err());
    }

    #[test]
    fn the_first_name_server_of_the_machine_is_asked() {
        let text = "# made by hand\nsearch example.org\nnameserver nonsense\nnameserver 203.0.113.53\nnameserver ::1\n";
        assert_eq!(name_server(text), "203.0.113.53".parse().ok());
        assert_eq!(name_server(""), None);
    }
}
