/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords, certificates and sets of a real mongod: the right ones connect, the wrong ones get an
 * error that names the class and what to do, shows no password, and is not hammered. */
#include "connect_rig.h"

#include <stdio.h>

#define WRONG "Falsch-0815"

static struct fixture_mongod *server;
static char folder[64];

static void quiet(void)
{
    base_log_set_level(BASE_LOG_ERROR);
}

TestSuite(login, .init = quiet, .timeout = 120);

static void start(const struct fixture_mongod_options *options)
{
    server = fixture_mongod_start(options);
    cr_assert_not_null(server);
}

static void expect_up(const char *uri)
{
    struct gleaner_client client;
    bson_error_t error = {0};
    struct gleaner_db *db = rig_open(uri);
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK, "%s",
                 read_state(db).reason);
    cr_expect(ping(&client, &error), "%s", error.message);
    cr_expect_eq(gleaner_db_check_in(db, &client, NULL), GLEANER_OK);
    (void)gleaner_db_close(&db, 1000);
}

static void expect_refused(const char *uri, const char *words)
{
    struct gleaner_db *db = rig_open(uri);
    cr_expect(rig_says(db, words));
    cr_expect_null(strstr(read_state(db).reason, WRONG));
    cr_expect_null(strstr(read_state(db).reason, FIXTURE_MONGOD_PASSWORD));
    (void)gleaner_db_close(&db, 0);
}

static const char *uri_with(const char *user, const char *password, const char *options)
{
    static char uri[512];
    snprintf(uri, sizeof(uri), "mongodb://%s:%s@127.0.0.1:%u/gleaner_test?%s", user, password,
             fixture_mongod_port(server, 0), options);
    return uri;
}

/* ---- SCRAM
 * ---------------------------------------------------------------------------------------- */

Test(login, scram_sha_256_with_the_right_auth_source_connects)
{
    FIXTURE_NEED_MONGOD();
    start(&(struct fixture_mongod_options){.auth = true});
    expect_up(fixture_mongod_uri(server));
    expect_up(uri_with("tester", FIXTURE_MONGOD_PASSWORD, "authSource=admin"));
    fixture_mongod_end(&server);
}

Test(login, a_wrong_password_user_or_auth_source_is_refused_with_what_to_check)
{
    FIXTURE_NEED_MONGOD();
    start(&(struct fixture_mongod_options){.auth = true});
    expect_refused(uri_with("tester", WRONG, "authSource=admin"), "authentication refused: check");
    expect_refused(uri_with("nobody", FIXTURE_MONGOD_PASSWORD, "authSource=admin"),
                   "authentication refused: check");
    expect_refused(uri_with("tester", FIXTURE_MONGOD_PASSWORD, "authSource=gleaner_test"),
                   "authSource in the URI");
    fixture_mongod_end(&server);
}

/* The server sees one attempt, or two, where back-off alone would make ten in this time. */
Test(login, a_refused_password_is_not_hammered_and_leaves_tokens)
{
    FIXTURE_NEED_MONGOD();
    start(&(struct fixture_mongod_options){.auth = true});
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri_with("tester", WRONG, "authSource=admin");
    options.backoff_base_ms = 10;
    struct gleaner_db *db = open_db(&options);
    cr_assert(rig_says(db, "authentication refused"));
    struct sync_parker nap;
    sync_park_init(&nap);
    (void)sync_park(&nap, base_mono_ns() + 3 * BASE_NS_PER_S); /* room for it to go wrong */
    cr_expect_leq(read_report(db).reconnects, 2);
    cr_expect_geq(read_report(db).reconnect_tokens, 8);
    cr_expect_gt(read_state(db).next_attempt_ms, 10000);
    (void)gleaner_db_close(&db, 0);
    fixture_mongod_end(&server);
}

/* ---- TLS
 * -------------------------------------------------------------------------------------------- */

static void start_tls(const char *mode, bool auth)
{
    FIXTURE_NEED_MONGOD();
    if (!rig_make_certificates(folder)) {
        cr_skip_test("no openssl");
    }
    static char key_file[96], ca_file[96];
    static const char *arguments[10];
    snprintf(key_file, sizeof(key_file), "%s/server.pem", folder);
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", folder);
    const char *const all[] = {"--tlsMode",
                               mode,
                               "--tlsCertificateKeyFile",
                               key_file,
                               "--tlsCAFile",
                               ca_file,
                               "--tlsAllowConnectionsWithoutCertificates"};
    memcpy(arguments, all, sizeof(all));
    start(&(struct fixture_mongod_options){.auth = auth, .arguments = arguments});
}

static void end_tls(void)
{
    fixture_mongod_end(&server);
    rig_remove_certificates(folder);
}

static const char *tls_uri(const char *login, const char *ca, const char *more)
{
    static char uri[512];
    snprintf(uri, sizeof(uri), "mongodb://%s127.0.0.1:%u/gleaner_test?tls=true&tlsCAFile=%s/%s%s",
             login, fixture_mongod_port(server, 0), folder, ca, more);
    return uri;
}

Test(login, tls_with_the_right_authority_connects_and_others_are_told_what_to_check)
{
    start_tls("requireTLS", false);
    char plain[64];
    snprintf(plain, sizeof(plain), "mongodb://127.0.0.1:%u/gleaner_test",
             fixture_mongod_port(server, 0));
    expect_up(tls_uri("", "ca.pem", ""));
    expect_refused(tls_uri("", "other.pem", ""), "TLS refused: check tlsCAFile");
    expect_refused(plain, "the server wants TLS: add tls=true");
    end_tls();
}

Test(login, tls_with_the_wrong_host_name_is_told_what_to_check)
{
    start_tls("requireTLS", false);
    char uri[256];
    snprintf(uri, sizeof(uri), "mongodb://localhost:%u/gleaner_test?tls=true&tlsCAFile=%s/ca.pem",
             fixture_mongod_port(server, 0), folder);
    expect_refused(uri, "the certificate's host name");
    end_tls();
}

Test(login, a_password_over_tls_connects_and_a_wrong_one_is_about_the_password)
{
    start_tls("preferTLS", true);
    expect_up(tls_uri("tester:" FIXTURE_MONGOD_PASSWORD "@", "ca.pem",
                      "&authSource=admin&authMechanism=SCRAM-SHA-256"));
    expect_refused(tls_uri("tester:" WRONG "@", "ca.pem", "&authSource=admin"),
                   "authentication refused: check");
    end_tls();
}

/* ---- sets
 * ------------------------------------------------------------------------------------------- */

Test(login, a_set_is_found_by_one_seed_of_three_and_its_primary_again_after_it_died)
{
    FIXTURE_NEED_MONGOD();
    start(&(struct fixture_mongod_options){.members = 3});
    char uri[256];
    int primary = fixture_mongod_primary(server);
    cr_assert_geq(primary, 0);
    unsigned other = primary == 0 ? 1 : 0;
    snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:1,127.0.0.1:%u/gleaner_test?replicaSet=rs0",
             fixture_mongod_port(server, other)); /* a dead seed and a secondary */
    struct gleaner_db *db = rig_open(uri);
    struct gleaner_client client;
    bson_error_t error = {0};
    cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
    cr_expect(insert_one(&client, "login", 1, &error), "%s", error.message);
    (void)gleaner_db_check_in(db, &client, NULL);
    fixture_mongod_kill(server, (unsigned)primary);
    cr_assert_geq(fixture_mongod_primary(server), 0);
    bool is_written = false;
    for (int i = 0; i < 100 && !is_written; i++) {
        if (gleaner_db_check_out(db, PATIENCE_MS, &client) == GLEANER_OK) {
            is_written = insert_one(&client, "login", 2, &error);
            (void)gleaner_db_check_in(db, &client, is_written ? NULL : &error);
        }
    }
    cr_expect(is_written, "%s", error.message);
    (void)gleaner_db_close(&db, 1000);
    fixture_mongod_end(&server);
}

Test(login, a_set_of_another_name_is_never_connected)
{
    FIXTURE_NEED_MONGOD();
    start(&(struct fixture_mongod_options){.members = 1});
    char uri[160];
    snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%u/?replicaSet=other",
             fixture_mongod_port(server, 0));
    struct gleaner_db *db = rig_open(uri);
    cr_expect(EVENTUALLY(read_state(db).reason[0] != '\0'));
    cr_expect_str_neq(read_state(db).phase, "connected");
    (void)gleaner_db_close(&db, 0);
    fixture_mongod_end(&server);
}
