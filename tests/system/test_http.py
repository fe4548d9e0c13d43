# SPDX-License-Identifier: Apache-2.0
"""HTTP as servers outside of Python speak it: HTTP/2 over TLS (nginx), and proxies by the environment."""
import http.server, json, os, shutil, socket, subprocess, threading, unittest, rig


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Http2(rig.Case):
    @unittest.skipUnless(shutil.which("nginx") and shutil.which("openssl"), "no nginx or openssl")
    def test_a_crawl_over_tls_speaks_http_2_and_verifies(self):
        root, port = f"{self.home}/www", free_port()
        os.makedirs(root)
        os.chmod(self.home, 0o755)
        for path, text in rig.linked_site(30).items():
            with open(root + path, "w") as file:
                file.write(text)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", f"{self.home}/key", "-out", f"{self.home}/cert"], check=True, capture_output=True)
        with open(f"{self.home}/nginx.conf", "w") as file:
            file.write(f"daemon off; pid {self.home}/pid; error_log {self.home}/error.log; events {{}}\n"
                       f"http {{ log_format s '$server_protocol $connection $uri'; access_log {self.home}/access.log s; types {{ text/html html; }}\n"
                       f"server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {self.home}/cert; ssl_certificate_key {self.home}/key;"
                       f" root {root}; }} }}\n")
        nginx = subprocess.Popen(["nginx", "-p", self.home, "-c", f"{self.home}/nginx.conf"], stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)

        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        rig.wait_for(answers, "nginx")
        url = f"https://127.0.0.1:{port}/p0.html"
        out, _ = self.run_gleaner(*self.crawl_arguments(url, "--json"), code=6)
        self.assertEqual(json.loads(out)["failures"], {"tls": 1}, "a certificate that nobody signed")
        self.data += "2"
        self.run_gleaner(*self.crawl_arguments(url, "--ca-file", f"{self.home}/cert"))
        self.assertEqual(len(self.stored_paths()), 30)

        def lines():
            with open(f"{self.home}/access.log") as file:
                return [line.split() for line in file if ".html" in line]
        rig.wait_for(lambda: len(lines()) >= 30, "nginx's log")
        self.assertEqual({line[0] for line in lines()}, {"HTTP/2.0"})
        self.assertEqual(len({line[1] for line in lines()}), 1, "all pages over one connection")


class Proxies(rig.Case):
    def proxy(self):
        """A proxy that answers for every site, and what it was asked for."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                asked.append(self.path)
                body = b"<title>by proxy</title><body>by proxy"
                self.send_response(404 if self.path.endswith("/robots.txt") else 200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}", asked

    def test_the_environment_names_one_when_it_may(self):
        proxy, asked = self.proxy()
        site = self.site({"/p.html": "<title>direct</title>"})
        url = site.url + "/p.html"
        environment = {"http_proxy": proxy}
        self.run_gleaner(*self.crawl_arguments(url), environment=environment)
        self.assertEqual((asked, site.requests), ([], ["/p.html"]), "not unless it is asked for")
        self.run_gleaner(*self.crawl_arguments(url, "--env-proxy", "--revisit", "always"), environment=environment)
        self.assertIn(url, asked)
        self.assertEqual(site.requests, ["/p.html"])
        self.assertEqual([d["title"] for d in self.exported()], ["by proxy"])
        asked.clear()
        environment["no_proxy"] = "127.0.0.1"
        self.run_gleaner(*self.crawl_arguments(url, "--env-proxy", "--revisit", "always"), environment=environment)
        self.assertEqual((asked, site.requests), ([], ["/p.html"] * 2))


rig.main()
