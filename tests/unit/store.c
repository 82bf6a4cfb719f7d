/* SPDX-License-Identifier: MIT */
/* The store against a real directory: what arrives, what is reused, what is refused. */
#define _GNU_SOURCE /* O_PATH, usleep */

#include "store_fixture.h"

static void a_cold_transfer(void)
{
    site_make();
    ok(transfer(JOB, package, COUNT(package)) == 3, "asks for three objects");
    holds(JOB "/bin/hello", package[0].text, "the script is there");
    ok(mode_of(JOB "/bin/hello") == 0755 &&
           mode_of(JOB "/hello-parameters.json") == 0644,
       "with modes");
    holds(JOB "/latest", package[0].text, "the link leads to it");
    ok(stage_is_empty(), "nothing is left in the staging directory");
    ok(transfer(JOB, package, COUNT(package)) == 0, "again: nothing is asked for");
    ino_t before = inode_of(JOB);
    ok(transfer(JOB, package, COUNT(package)) == 0 && inode_of(JOB) == before,
       "and nothing is replaced");
    site_drop();
}

static void what_differs_arrives(void)
{
    struct file other[COUNT(package)];
    struct stat st;

    site_make();
    (void)transfer(JOB, package, COUNT(package));
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    memcpy(other, package, sizeof(other));
    other[1].text = "[]";
    ok(transfer(JOB, other, COUNT(other)) == 0,
       "content that lies elsewhere is not sent");
    holds(JOB "/hello-parameters.json", "[]", "but arrives");
    other[1].text = "{1";
    ok(transfer(JOB, other, COUNT(other)) == 1, "one new file is one object");
    holds(JOB "/hello-parameters.json", "{1", "and arrives");

    other[1].executable = 1;
    ok(transfer(JOB, other, COUNT(other)) == 0, "another mode: copied there");
    ok(mode_of(JOB "/hello-parameters.json") == 0755, "and set");
    other[3].link = "hello-parameters.json";
    ok(transfer(JOB, other, COUNT(other)) == 0, "another link: nothing to send");
    holds(JOB "/latest", "{1", "and it leads elsewhere");
    ok(transfer(JOB, other, 2) == 0 && !is_there(JOB "/latest"), "what is gone goes");
    site_drop();
}

static void what_others_changed_is_seen(void)
{
    struct timespec times[2];
    struct stat st;

    site_make();
    (void)transfer(JOB, package, COUNT(package));
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    int fd = openat(site.base_fd, JOB "/hello-parameters.json", O_WRONLY | O_CLOEXEC);
    (void)usleep(20000);
    ok(fd >= 0 && write(fd, "xx", 2) == 2 && close(fd) == 0,
       "somebody writes into a file");
    ok(transfer(JOB, package, COUNT(package)) == 1, "it is sent again");
    holds(JOB "/hello-parameters.json", "{}", "and right again");
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    (void)usleep(20000);
    (void)unlinkat(site.base_fd, JOB "/hello-parameters.json", 0);
    fd = openat(site.base_fd, JOB "/hello-parameters.json",
                O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    (void)!write(fd, "yy", 2);
    times[0] = times[1] = st.st_mtim;
    (void)futimens(fd, times);
    (void)close(fd);
    ok(transfer(JOB, package, COUNT(package)) == 1,
       "a file of the same size and time moved over it is seen, too");
    holds(JOB "/hello-parameters.json", "{}", "and put right");
    site_drop();
}

static void single_files(void)
{
    const struct file first = {"", "{\"labId\":\"a\"}", 0, NULL};
    const struct file second = {"", "{\"labId\":\"b\"}", 0, NULL};
    const struct file tag = {"", NULL, 0, "image"};

    site_make();
    ok(transfer("artifacts/lab/lab-metadata.json", &first, 1) == 1, "one file");
    holds("artifacts/lab/lab-metadata.json", first.text, "stands");
    ok(transfer("artifacts/lab/lab-metadata.json", &second, 1) == 1, "another");
    holds("artifacts/lab/lab-metadata.json", second.text, "takes its place");
    ok(transfer("artifacts/lab/x-lab-metadata.json", &second, 1) == 0,
       "the same under another name");
    ok(inode_of("artifacts/lab/lab-metadata.json") ==
           inode_of("artifacts/lab/x-lab-metadata.json"),
       "is a link(2)");
    ok(transfer("artifacts/images/tag", &tag, 1) == 0, "one link");
    REPX_AUTO_FREE char *text = store_readlink(site.base_fd, "artifacts/images/tag");
    is(text, "image", "stands");
    ok(transfer("artifacts/images/tag", &package[0], 1) == 1 &&
           is_there("artifacts/images/tag/bin/hello"),
       "a directory can take its place");
    ok(transfer("artifacts/images/tag", &tag, 1) == 0 &&
           !is_there("artifacts/images/tag/bin/hello"),
       "and a link that of a directory");
    site_drop();
}

static void layers_share_no_inode(void)
{
    const struct file layer = {"", "a layer", 0, NULL};
    const struct file in_package = {"layer", "a layer", 0, NULL};

    site_make();
    ok(transfer("artifacts/store/l-layer.tar", &layer, 1) == 1, "a layer");
    ok(transfer(JOB, &in_package, 1) == 0, "its content elsewhere is not sent");
    ok(inode_of(JOB "/layer") != inode_of("artifacts/store/l-layer.tar"), "but copied");
    site_drop();
}

static void one_object_for_many_places(void)
{
    static struct asked a;
    static const struct file twice[] = {{"a", "same", 0, NULL},
                                        {"b/c", "same", 0, NULL}};
    struct repx_err err = {0};

    site_make();
    struct store *s = opened();
    ok(place(s, "artifacts/jobs/one", twice, 2, NULL) == 0 &&
           place(s, "artifacts/jobs/two", twice, 2, NULL) == 0 &&
           place(s, "artifacts/jobs/two", twice, 2, NULL) == 0,
       "two packages, four places, one declared again");
    ok(lacking(s, &a) == 1, "one object");
    ok(store_verify(s, &err) < 0, "not there yet: %s", err.text);
    ok(!is_there("artifacts/jobs/one"), "and nothing to be seen");
    ok(put(s, twice, 2, &err) == 0 && store_verify(s, &err) == 0,
       "one put fills them all");
    holds("artifacts/jobs/one/a", "same", "here");
    holds("artifacts/jobs/two/b/c", "same", "and there");
    ok(store_have(s, a.digests[0].bytes), "have knows it");
    a.digests[0].bytes[0] ^= 1;
    ok(!store_have(s, a.digests[0].bytes), "and nothing else");
    store_close(s);
    site_drop();
}

static void wrong_bytes_are_refused(void)
{
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf pack = {0};

    site_make();
    struct store *s = opened();
    (void)place(s, JOB, package, COUNT(package), NULL);
    pack_file(&pack, &package[1], "[}");
    struct store_put *p = store_put_begin(s);
    ok(store_put_bytes(p, pack.data, pack.len, &err) < 0 && err.code == REPX_E_CORRUPT,
       "wrong digest: %s", err.text);
    store_put_free(p);
    ok(!is_there(JOB), "nothing stands");
    ok(put(s, package, COUNT(package), &err) == 0 && store_verify(s, &err) == 0,
       "the right bytes still can come");
    pack.len = 0;
    const struct file stranger = {"x", "nobody asked", 0, NULL};
    pack_file(&pack, &stranger, stranger.text);
    p = store_put_begin(s);
    ok(store_put_bytes(p, pack.data, pack.len, &err) == 0 &&
           store_put_end(p, &err) == 0,
       "what nobody asked for is taken and dropped");
    store_put_free(p);
    store_close(s);
    site_drop();
}

static void links_on_the_way_are_not_followed(void)
{
    static const struct file f[] = {{"x", "x", 0, NULL}};

    site_make();
    (void)mkdirat(site.base_fd, "elsewhere", 0755);
    (void)mkdirat(site.base_fd, "artifacts", 0755);
    ok(symlinkat("../elsewhere", site.base_fd, "artifacts/jobs") == 0, "a link");
    ok(transfer(JOB, f, 1) < 0, "a collection that is a link is refused");
    ok(!is_there("elsewhere/aaaa-hello-1.1"), "and nothing was written through it");
    site_drop();
}

#define FILES ((size_t)2000)
#define JOBS ((size_t)100)

static struct file many[FILES];
static char texts[FILES][48];

static double per(uint64_t before, size_t n)
{
    return (double)(store_calls() - before) / (double)n;
}

static void few_calls_a_file(void)
{
    struct repx_err err = {0};

    site_make();
    for (size_t i = 0; i < FILES; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "d%zu/f%04zu", i / 500, i);
        many[i] = (struct file){texts[i], texts[i], i & 1, NULL};
    }
    struct store *s = opened();
    uint64_t before = store_calls();
    int rc = place(s, JOB, many, FILES, NULL);
    rc |= put(s, many, FILES, &err);
    rc |= store_verify(s, &err);
    double each = per(before, FILES);
    ok(rc == 0 && each <= 1.2, "cold: %.3f metadata calls a file", each);
    store_close(s);
    s = opened();
    before = store_calls();
    (void)place(s, JOB, many, FILES, NULL);
    each = per(before, FILES);
    ok(each <= 1.2, "there already: %.3f", each);
    store_close(s);
    site_drop();
}

static void few_calls_a_package(void)
{
    static const char *const names[] = {"bin/x", "d.json", "p.json"};
    static struct asked a;
    struct repx_err err = {0};

    site_make();
    for (size_t i = 0; i < 3 * JOBS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "job %zu file %zu", i / 3, i % 3);
        many[i] = (struct file){names[i % 3], texts[i], i % 3 == 0, NULL};
    }
    struct store *s = opened();
    uint64_t before = store_calls();
    for (size_t i = 0; i < JOBS; i++) {
        REPX_AUTO_FREE char *name = repx_format("artifacts/jobs/j%zu", i);
        (void)place(s, name, &many[3 * i], 3, NULL);
    }
    int rc = lacking(s, &a) == 3 * JOBS ? 0 : -1;
    rc |= put(s, many, 3 * JOBS, &err);
    rc |= store_verify(s, &err);
    double each = per(before, JOBS);
    ok(rc == 0 && each <= 12.5, "%.2f calls a package of three files", each);
    store_close(s);
    site_drop();
}

static void host_tools_are_where_users_look(void)
{
    site_make();
    (void)transfer("artifacts/host-tools/h", package, COUNT(package));
    holds("host-tools/h/bin/hello", package[0].text, "below B/host-tools");
    site_drop();
}

int main(void)
{
    if (!mkdtemp(base))
        return 1;
    a_cold_transfer();
    what_differs_arrives();
    what_others_changed_is_seen();
    single_files();
    layers_share_no_inode();
    one_object_for_many_places();
    wrong_bytes_are_refused();
    links_on_the_way_are_not_followed();
    host_tools_are_where_users_look();
    few_calls_a_file();
    few_calls_a_package();
    return tap_end();
}
