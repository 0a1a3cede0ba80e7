use super::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpStream,
    task::yield_now,
    time::Instant,
};

fn site() -> HealthSite {
    HealthSite { has_own: true, probes: Some("/healthz".to_owned()), metrics: None }
}

/// What comes back for these bytes, until the connection ends.
async fn talk(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is cut off has nothing more to say.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn connection() -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    tokio::spawn(connected(server, Arc::new(site()), Health::default()));
    client
}

fn request(line: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: pod\r\nuser-agent: kube-probe/1.37\r\n\r\n").into_bytes()
}

#[tokio::test(start_paused = true)]
async fn each_request_has_one_answer_and_its_connection_ends() {
    for (line, status, end) in [
        ("GET /livez", "200 OK", "\r\n\r\nok"),
        ("GET /livez?verbose", "200 OK", "\r\n\r\n[+]loop ok\n[+]watches ok\nlivez check passed\n"),
        ("HEAD /livez", "200 OK", "\r\n\r\n"),
        ("GET /readyz", "500 Internal Server Error", "[-]listed failed: nothing is listed yet\n"),
        ("GET /healthz", "200 OK", "\r\n\r\n{}"),
        ("POST /livez", "405 Method Not Allowed", "\r\n\r\nonly GET and HEAD are allowed\n"),
        ("GET /", "404 Not Found", "\r\n\r\nthere is nothing here\n"),
    ] {
        let answer = talk(connection(), &request(line)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.ends_with(end),
            "{line}: {answer}"
        );
        assert_eq!(answer.contains("allow: GET, HEAD\r\n"), line.starts_with("POST"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slow_or_sends_too_much_is_cut_off() {
    let begun = Instant::now();
    for half in [&b""[..], b"GET /livez HTTP/1.1\r\nhost:"] {
        let answer = talk(connection(), half).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert!(begun.elapsed() <= 2 * CONNECTION_LIMIT, "{:?}", begun.elapsed());
    let long = format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(2 * REQUEST_SIZE));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(2 * MOST_HEADERS));
    for bytes in [long, many] {
        let answer = talk(connection(), bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn connections_that_say_nothing_make_room_for_one_that_asks() {
    let served = Served::bind(([127, 0, 0, 1], 0).into(), site()).unwrap();
    let address = served.address().unwrap();
    let server = HealthServer::start(vec![served], &Health::default()).unwrap();
    let mut silent = Vec::new();
    // Fewer than the system keeps waiting for us.
    for _ in 0..MOST_CONNECTIONS + 32 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let answer = talk(TcpStream::connect(address).await.unwrap(), &request("GET /livez")).await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    server.end().await;
    // A program that another test starts has all our files for a moment.
    let is_free = async {
        while Served::bind(address, site()).is_err() {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), is_free).await.expect("nobody listens there any more");
}
