//! Receivers of notifications on loopback: a webhook and a mail server, each a thread that writes
//! down what it is told. Bounded: a thread ends with its listener, a message has at most a megabyte.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const BODY_BYTES_MAX: usize = 1 << 20;

/// What a receiver was told, oldest first.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    /// All of it.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The alerts of a webhook's messages: (status, alert).
    pub fn alerts(&self) -> Vec<(String, Value)> {
        let bodies = self.all();
        let messages =
            bodies.iter().map(|body| serde_json::from_str::<Value>(body).expect("the webhook's body is JSON"));
        let alerts = messages.flat_map(|message| message["alerts"].as_array().cloned().unwrap_or_default());
        alerts.map(|alert| (alert["status"].as_str().unwrap_or_default().to_owned(), alert)).collect()
    }

    /// How often an alert of this rule and state was told, and the last one.
    pub fn alert(&self, rule: &str, status: &str) -> (usize, Value) {
        let all = self.alerts();
        let own: Vec<_> = all.iter().filter(|(s, a)| s == status && a["labels"]["alertname"] == rule).collect();
        (own.len(), own.last().map(|(_, alert)| alert.clone()).unwrap_or_default())
    }

    /// How many mails say that a rule's alarm fires (`firing`) or is over (`resolved`).
    pub fn mails(&self, rule: &str, status: &str) -> usize {
        let rule = format!("rule: {rule}");
        let says = |mail: &String| mail.contains(&rule) && mail.contains("until: ") == (status == "resolved");
        self.all().into_iter().filter(says).count()
    }
}

/// A webhook that answers 200 to everything, on a port of its own.
pub fn webhook() -> (SocketAddr, Told) {
    webhook_at("127.0.0.1:0")
}

/// The same at an address that other hosts reach.
pub fn webhook_at(address: &str) -> (SocketAddr, Told) {
    listen(address, |stream, told| {
        while let Some((head, body)) = http_request(stream) {
            told.push(body);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            if stream.get_mut().write_all(answer.as_bytes()).is_err() || head.contains("connection: close") {
                return;
            }
        }
    })
}

/// A mail server without passwords or TLS.
pub fn smtp() -> (SocketAddr, Told) {
    listen("127.0.0.1:0", |stream, told| _ = mail(stream, told))
}

fn listen(address: &str, serve: fn(&mut BufReader<TcpStream>, &Told)) -> (SocketAddr, Told) {
    let listener = TcpListener::bind(address).unwrap();
    let (address, told) = (listener.local_addr().unwrap(), Told::default());
    let heard = told.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let heard = heard.clone();
            std::thread::spawn(move || serve(&mut BufReader::new(stream), &heard));
        }
    });
    (address, told)
}

fn http_request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length:").nth(1)?.lines().next()?.trim().parse::<usize>().ok()?;
    let mut body = vec![0; length.min(BODY_BYTES_MAX)];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

fn mail(stream: &mut BufReader<TcpStream>, told: &Told) -> std::io::Result<()> {
    stream.get_mut().write_all(b"220 mail.example.org ESMTP\r\n")?;
    let (mut line, mut message, mut in_data) = (String::new(), String::new(), false);
    while stream.read_line(&mut line)? > 0 {
        let command = line.trim_end().to_ascii_uppercase();
        let answer = match (in_data, command.as_str()) {
            (true, ".") => {
                in_data = false;
                told.push(std::mem::take(&mut message));
                "250 taken\r\n"
            }
            (true, _) => {
                message.push_str(&line);
                ""
            }
            (_, "DATA") => {
                in_data = true;
                "354 go on\r\n"
            }
            (_, "QUIT") => return stream.get_mut().write_all(b"221 bye\r\n"),
            _ => "250 ok\r\n",
        };
        stream.get_mut().write_all(answer.as_bytes())?;
        line.clear();
    }
    Ok(())
}
