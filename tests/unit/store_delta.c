/* SPDX-License-Identifier: MIT */
/* Deltas against the store: what is near, and that only the right file appears. */
#define _GNU_SOURCE /* O_PATH */

#include "store_fixture.h"

#include "core/agent/store_delta.h"
#include "core/delta/delta.h"

#define SIZE ((size_t)3 << 20)

static uint32_t seed = 1;

/* Text that looks like nothing else. */
static char *text_of(size_t n)
{
    char *text = repx_alloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)('a' + (seed >> 24) % 26);
    }
    return text;
}

static int collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    repx_buf_add(ctx, bytes, n);
    return 0;
}

static int64_t read_text(void *ctx, uint64_t offset, void *to, uint64_t len,
                         struct repx_err *err)
{
    (void)err;
    memcpy(to, (const char *)ctx + offset, (size_t)len);
    return (int64_t)len;
}

static struct digest digest_of_file(const struct file *f)
{
    struct digest d;

    digest_of(f->text, strlen(f->text), &d);
    return d;
}

/* The delta from what the store has near the file. */
static int delta_for(struct store *s, const struct file *f, struct repx_buf *delta)
{
    REPX_AUTO_BUF struct repx_buf signature = {0};
    REPX_AUTO_FREE char *text = repx_strdup(f->text);
    const struct delta_source source = {text, read_text, strlen(text), strlen(text)};
    struct digest d = digest_of_file(f);
    struct repx_err err = {0};
    uint64_t length;
    int fd = store_basis(s, &d, (uint8_t)f->executable, &length);

    if (fd < 0 || delta_signature(fd, length, collect, &signature, &err) < 0)
        return -1;
    (void)close(fd);
    return delta_make(signature.data, signature.len, &source, collect, delta, &err);
}

static int patch(struct store *s, const struct file *f, const struct repx_buf *delta,
                 struct repx_err *err)
{
    struct digest d = digest_of_file(f);
    struct store_patch *p = store_patch_begin(s, &d, (uint8_t)f->executable, err);
    int rc = p ? store_patch_bytes(p, delta->data, delta->len, err) : -1;

    if (rc == 0)
        rc = store_patch_make(p, err);
    store_patch_free(p);
    return rc;
}

static int near(struct store *s, const struct file *f)
{
    struct digest d = digest_of_file(f);

    return store_near(s, &d, (uint8_t)f->executable);
}

static void a_large_file_changes(void)
{
    static struct asked a;
    REPX_AUTO_FREE char *old = text_of(SIZE);
    REPX_AUTO_FREE char *new = repx_strdup(old);
    const struct file before[] = {{"data", old, 0, NULL}, {"other", "one", 0, NULL}};
    const struct file after[] = {{"data", new, 1, NULL}, {"other", "two", 0, NULL}};
    REPX_AUTO_BUF struct repx_buf delta = {0};
    struct repx_err err = {0};

    static const char other[] = {'s', 'o', 'm', 'e', ' ', 'e', 'l', 's', 'e'};
    memcpy(new + SIZE / 2, other, sizeof(other));
    site_make();
    ok(transfer(JOB, before, 2) == 2, "a large file and a small one");
    struct store *s = opened();
    ok(place(s, JOB, after, 2, NULL) == 0 && lacking(s, &a) == 2, "both change");
    ok(near(s, &after[0]) && !near(s, &after[1]), "the large one has something near");
    int made = delta_for(s, &after[0], &delta);
    ok(made == 0 && delta.len < SIZE / 10, "its delta is short: %zu bytes", delta.len);
    ok(patch(s, &after[0], &delta, &err) == 0, "and applied");
    ok(lacking(s, &a) == 1, "the small one is missing");
    ok(stage_is_empty() == 0 && !near(s, &after[0]), "what is here is not near");
    holds(JOB "/other", "one", "nothing is to be seen yet");
    ok(put(s, after, 2, &err) == 0 && store_verify(s, &err) == 0, "then it comes");
    store_close(s);
    struct stat st;
    ok(fstatat(site.base_fd, JOB "/data", &st, 0) == 0 && st.st_mode & S_IXUSR,
       "with its mode");
    holds(JOB "/other", "two", "and all is there");
    ok(transfer(JOB, after, 2) == 0, "as it should be");
    ok(stage_is_empty(), "and nothing is left in the staging directory");
    site_drop();
}

static void only_the_right_file_appears(void)
{
    static struct asked a;
    REPX_AUTO_FREE char *old = text_of(SIZE);
    REPX_AUTO_FREE char *new = repx_strdup(old);
    const struct file before = {"data", old, 0, NULL}, after = {"data", new, 0, NULL};
    REPX_AUTO_BUF struct repx_buf delta = {0};
    struct repx_err err = {0};

    new[7] = '!';
    site_make();
    (void)transfer(JOB, &before, 1);
    struct store *s = opened();
    (void)place(s, JOB, &after, 1, NULL);
    (void)lacking(s, &a);
    (void)delta_for(s, &after, &delta);
    for (size_t i = 0; i < 3; i++) {
        REPX_AUTO_BUF struct repx_buf bad = {0};
        repx_buf_add(&bad, delta.data, delta.len);
        if (i == 0) {
            char *seven = memchr(bad.data, '!', bad.len);
            if (seven)
                *seven = '?';
        } else if (i == 1) {
            bad.len /= 2;
        } else {
            repx_buf_str(&bad, new);
        }
        ok(patch(s, &after, &bad, &err) < 0, "refused: %s", err.text);
        ok(lacking(s, &a) == 1, "and still missing");
    }
    struct digest d = digest_of_file(&after);
    struct store_patch *p = store_patch_begin(s, &d, 0, &err);
    ok(p && !store_patch_begin(s, &d, 0, &err), "one patch at a time");
    store_patch_free(p);
    ok(patch(s, &after, &delta, &err) == 0 && store_verify(s, &err) == 0,
       "the right delta");
    ok(!store_patch_begin(s, &d, 0, &err), "and no second one: %s", err.text);
    store_close(s);
    holds(JOB "/data", NULL, "is larger than a test reads");
    ok(transfer(JOB, &after, 1) == 0, "makes the file");
    site_drop();
}

/* Of twelve layers of one length, the one that is not needed any more. */
static void layers_by_their_role(void)
{
    static struct asked a;
    char *texts[4];
    struct file layers[4];
    REPX_AUTO_BUF struct repx_buf delta = {0};
    struct repx_err err = {0};

    site_make();
    for (size_t i = 0; i < 4; i++) {
        REPX_AUTO_FREE char *name = repx_format("artifacts/store/%zu-layer.tar", i);
        texts[i] = text_of(SIZE);
        layers[i] = (struct file){"", texts[i], 0, NULL};
        (void)transfer(name, &layers[i], 1);
    }
    texts[2][SIZE - 5] = '!';
    struct store *s = opened();
    (void)place(s, "artifacts/store/0-layer.tar", &layers[0], 1, NULL);
    (void)place(s, "artifacts/store/1-layer.tar", &layers[1], 1, NULL);
    (void)place(s, "artifacts/store/9-layer.tar", &layers[2], 1, NULL);
    (void)place(s, "artifacts/store/3-layer.tar", &layers[3], 1, NULL);
    ok(lacking(s, &a) == 1 && near(s, &layers[2]), "one layer is new");
    int made = delta_for(s, &layers[2], &delta);
    ok(made == 0 && delta.len < SIZE / 10,
       "the one that it replaces is near: %zu bytes", delta.len);
    ok(patch(s, &layers[2], &delta, &err) == 0 && store_verify(s, &err) == 0,
       "it comes as a delta");
    store_close(s);
    ok(is_there("artifacts/store/9-layer.tar") &&
           is_there("artifacts/store/2-layer.tar"),
       "both are there");
    s = opened();
    const struct file other = {"", "x", 0, NULL};
    (void)place(s, "artifacts/store/9-other.tar", &other, 1, NULL);
    (void)lacking(s, &a);
    ok(!near(s, &other), "what is short has nothing near");
    store_close(s);
    for (size_t i = 0; i < 4; i++)
        free(texts[i]);
    site_drop();
}

/* Somebody put something else where the old file was. */
static void odd_things_are_not_near(void)
{
    static struct asked a;
    REPX_AUTO_FREE char *old = text_of(SIZE);
    REPX_AUTO_FREE char *new = repx_strdup(old);
    const struct file before = {"data", old, 0, NULL}, after = {"data", new, 0, NULL};

    new[7] = '!';
    for (int odd = 0; odd < 4; odd++) {
        site_make();
        (void)transfer(JOB, &before, 1);
        (void)unlinkat(site.base_fd, JOB "/data", 0);
        int rc = odd == 0   ? symlinkat("/dev/zero", site.base_fd, JOB "/data")
                 : odd == 1 ? mkdirat(site.base_fd, JOB "/data", 0755)
                 : odd == 2 ? mkfifoat(site.base_fd, JOB "/data", 0644)
                            : 0;
        ok(rc == 0, "something else is there");
        struct store *s = opened();
        (void)place(s, JOB, &after, 1, NULL);
        ok(lacking(s, &a) == 1 && !near(s, &after), "no file: nothing near");
        store_close(s);
        site_drop();
    }
}

int main(void)
{
    if (!mkdtemp(base))
        return 1;
    a_large_file_changes();
    only_the_right_file_appears();
    layers_by_their_role();
    odd_things_are_not_near();
    return tap_end();
}
