# SPDX-License-Identifier: Apache-2.0
"""A directory becomes documents: in the embedded store, on a server, in the spool while it is away."""
import json, os, rig, subprocess


class Scan(rig.Case):
    def run_it(self, *arguments, code=0):
        done = subprocess.run([rig.GLEANER, *arguments, "--data", self.data], capture_output=True, text=True,
                              cwd=self.home, env=self.environment, timeout=rig.LIMIT)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout

    def tree(self):
        os.makedirs(f"{self.home}/notes/below")
        with open(f"{self.home}/notes/a.md", "w") as f:
            f.write("# Title of a\n\nwords of a\n")
        with open(f"{self.home}/notes/below/b.txt", "w") as f:
            f.write("words of b\n")
        os.symlink("/etc/passwd", f"{self.home}/notes/passwd.txt")

    def documents(self, *to):
        return [json.loads(line) for line in self.run_it("export", "--collection", "bambicontents", *to).splitlines()]

    def test_each_file_is_one_document_however_often_it_is_scanned(self):
        self.tree()
        first = json.loads(self.run_it("scan", "notes", "--json"))
        again = json.loads(self.run_it("scan", "notes/", "--json"))
        self.assertEqual((first["new"], first["left_out"]["links"], again["new"], again["replaced"]), (2, 1, 0, 2))
        stored = self.documents()
        self.assertEqual({d["title"] for d in stored}, {"Title of a", "b.txt"})
        self.assertEqual({d["filePath"] for d in stored},
                         {os.path.realpath(f"{self.home}/notes/{n}") for n in ("a.md", "below/b.txt")})

    def test_a_server_that_is_away_gets_the_documents_later(self):
        self.tree()
        away = "mongodb://127.0.0.1:1/app"
        report = json.loads(self.run_it("scan", "notes", "--json", "--to", away, "--connect-timeout", "200",
                                        "--server-selection", "200", code=4))
        self.assertEqual((report["spooled"], report["waiting"]), (2, 2))
        self.assertIn("Title of a", self.run_it("spool", "export"))

    def hits(self, *arguments, code=0):
        lines = self.run_it("search", *arguments, "--collection", "bambicontents", "--json", code=code).splitlines()
        return {json.loads(line)["title"] for line in lines}

    def check_search(self, *to):
        self.run_it("scan", "notes", *to)
        self.assertEqual(self.hits("words", "--make-index" if to else "--json", *to), {"Title of a", "b.txt"})
        self.assertEqual(self.hits("WORDS -title", *to), {"b.txt"})
        self.assertEqual(self.hits('"of a"', *to), {"Title of a"})
        self.assertEqual(len(self.hits("words", "--limit", "1", *to)), 1)
        self.assertEqual(self.hits("nowhere", *to, code=1), set())
        with open(f"{self.home}/notes/below/b.txt", "w") as f:
            f.write("other\n")
        self.run_it("scan", "notes", *to)
        self.assertEqual(self.hits("words", *to), {"Title of a"})
        self.run_it("search", "-only", *to, code=2)

    def test_search_in_the_embedded_store(self):
        self.tree()
        self.check_search()

    def test_search_on_a_server(self):
        self.tree()
        uri = self.mongod().uri
        self.run_it("scan", "notes", "--to", uri)
        self.run_it("search", "words", "--collection", "bambicontents", "--to", uri, code=2)
        self.check_search("--to", uri)

    def test_a_wrong_directory_is_named(self):
        self.run_it("scan", "nowhere", code=2)
        self.run_it("scan", code=2)


rig.main()
