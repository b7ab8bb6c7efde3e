//! Mail: text and simple HTML, and the headers by which a mail program puts "resolved" below the mail
//! that said it fires.

use super::{Failure, Letter, hashed};
use crate::notify::http::{CONNECT_TIMEOUT, TIMEOUT, trust};
use crate::notify::spec::{ChannelSpec, MailTls};
use crate::notify::template;
use crate::outbound::{self, Reach};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use palisade_guard::contract::chain;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type SmtpError = lettre::transport::smtp::Error;

/// Sends it.
pub async fn send(letter: &Letter<'_>) -> Result<String, Failure> {
    let mail = mail(letter)?;
    let late = |_| Failure::again(format!("no answer within {} s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, handed_over(letter, &mail)).await.map_err(late)?
}

/// The port of a channel that names none.
pub fn port(spec: &ChannelSpec) -> u16 {
    spec.port.unwrap_or(match spec.tls.unwrap_or_default() {
        MailTls::Starttls => 587,
        MailTls::Implicit => 465,
        MailTls::None => 25,
    })
}

async fn handed_over(letter: &Letter<'_>, mail: &lettre::Message) -> Result<String, Failure> {
    let mut connection = connected(letter.spec).await?;
    if let (Some(user), Some(secret)) = (&letter.spec.user, letter.secret) {
        let credentials = Credentials::new(user.clone(), secret.to_owned());
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        connection.auth(&mechanisms, &credentials).await.map_err(said)?;
    }
    let answer = connection.send(mail.envelope(), &mail.formatted()).await.map_err(said)?;
    // it has been taken; how the conversation ends changes nothing
    let _ = connection.quit().await;
    Ok(super::super::message::line(&answer.message().collect::<Vec<_>>().join(" "), 500))
}

async fn connected(spec: &ChannelSpec) -> Result<AsyncSmtpConnection, Failure> {
    let host = spec.host.as_deref().ok_or_else(|| Failure::Refused("the channel has no `host`".to_owned()))?;
    let target = if host.contains(':') { format!("[{host}]:{}", port(spec)) } else { format!("{host}:{}", port(spec)) };
    let stream = outbound::connect(&target, Reach::of(spec.allow_private), CONNECT_TIMEOUT).await;
    let stream = stream.map_err(|error| Failure::again(chain(&error)))?;
    let hello = ClientId::default();
    let tls = spec.tls.unwrap_or_default();
    let transport: Box<dyn AsyncTokioStream> = match tls {
        MailTls::Implicit => Box::new(encrypted(spec, host, stream).await?),
        MailTls::Starttls | MailTls::None => Box::new(stream),
    };
    let mut connection = AsyncSmtpConnection::connect_with_transport(transport, &hello).await.map_err(said)?;
    if tls == MailTls::Starttls {
        if !connection.can_starttls() {
            return Err(Failure::again("the mail server does not offer STARTTLS"));
        }
        connection.starttls(parameters(spec, host)?, &hello).await.map_err(said)?;
    }
    Ok(connection)
}

fn parameters(spec: &ChannelSpec, host: &str) -> Result<TlsParameters, Failure> {
    let mut builder = TlsParameters::builder(host.to_owned());
    for certificate in spec.ca_pem.iter().flat_map(|pem| Certificate::from_pem(pem.as_bytes())) {
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(said)
}

async fn encrypted(spec: &ChannelSpec, host: &str, stream: TcpStream) -> Result<Encrypted, Failure> {
    let again = |error: &dyn std::error::Error| Failure::again(chain(error));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| again(&error))?;
    let connector = TlsConnector::from(trust(spec.ca_pem.as_deref())?);
    let stream = connector.connect(name, stream).await;
    Ok(Encrypted(stream.map_err(|error| Failure::again(format!("agreeing on TLS: {}", chain(&error))))?))
}

/// A 5xx is about this mail, but for those about signing in (RFC 4954), which an operator mends.
fn said(error: SmtpError) -> Failure {
    let text = super::super::message::line(&chain(&error), 500);
    let code = error.status().map(u16::from);
    match code {
        Some(530..=538) | None => Failure::again(text),
        Some(code) if code >= 500 => Failure::Refused(text),
        Some(_) => Failure::again(text),
    }
}

fn mail(letter: &Letter<'_>) -> Result<lettre::Message, Failure> {
    let (spec, message) = (letter.spec, letter.message);
    let refused = |what: &str, error: &dyn std::error::Error| Failure::Refused(format!("{what}: {}", chain(error)));
    let from: Mailbox =
        spec.from.as_deref().unwrap_or_default().parse().map_err(|error| refused("`from` is no address", &error))?;
    let domain = from.email.domain().to_owned();
    let thread = format!("<{}@{domain}>", hashed(&format!("{}\n{}", letter.channel, message.group)));
    let title = template::title(spec.template.as_ref(), message);
    let text = template::text(spec.template.as_ref(), message);
    let mut builder = lettre::Message::builder()
        .from(from)
        .subject(&title)
        .message_id(Some(format!("<{}@{domain}>", letter.id())))
        .in_reply_to(thread.clone())
        .references(thread);
    for to in &spec.to {
        builder = builder.to(to.parse().map_err(|error| refused("`to` holds what is no address", &error))?);
    }
    let part = |kind: ContentType, body: String| SinglePart::builder().header(kind).body(body);
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, text.clone()))
        .singlepart(part(ContentType::TEXT_HTML, html(&title, &text)));
    builder.multipart(parts).map_err(|error| refused("the mail", &error))
}

fn html(title: &str, text: &str) -> String {
    let text = escaped(text).replace('\n', "<br>\n");
    format!("<html><body><p><b>{}</b></p>\n<p>{text}</p></body></html>\n", escaped(title))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A connection that was encrypted before mail is spoken on it.
#[derive(Debug)]
struct Encrypted(TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hostile_stays_text() {
        let page = html("<script>", "a\n<img src=x onerror=\"y\">");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(page.contains("a<br>\n&lt;img"), "{page}");
    }
}
