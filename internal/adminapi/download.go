package adminapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Follow calls show with the events of a stream until it ends, show fails, or ctx ends.
// A stream that the server has ended is no error.
func (c *Client) Follow(ctx context.Context, path string, show func(Event) error) error {
	return c.messages(ctx, path, nil, 8<<20, func(kind, data string) error { // an event may hold a megabyte of data, escaped
		var e Event
		more, err := followed(kind, data, &e)
		if err != nil || !more {
			return err
		}
		return show(e)
	})
}

// messages reads a stream of server-sent events, whose lines have at most so many bytes.
func (c *Client) messages(ctx context.Context, path string, header http.Header, most int, each func(kind, data string) error) error {
	resp, err := c.sendWith(ctx, http.MethodGet, path, nil, header)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // cut where it is
	if resp.StatusCode >= http.StatusBadRequest {
		return decode(resp, nil)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), most)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "":
			kind = ""
		case "event":
			kind = value
		case "data":
			if err := each(kind, value); err != nil {
				return err
			}
		}
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("a message of the stream is too long to be read: %w", err)
	case err != nil:
		return fmt.Errorf("%w any more: %w", ErrUnreachable, err)
	}
	return nil
}

// followed reads the data of one message of a stream; more is false where it is the end.
func followed(kind, data string, into any) (more bool, err error) {
	if kind == "problem" {
		p := new(Problem)
		if json.Unmarshal([]byte(data), p) != nil {
			return false, errors.New("the server ended the stream and gave no reason that can be read")
		}
		if p.Code == "closed" { // the daemon stops, and may come back
			return false, nil
		}
		return false, p
	}
	if err := json.Unmarshal([]byte(data), into); err != nil {
		return false, fmt.Errorf("the stream holds something else than was asked for: %w", err)
	}
	return true, nil
}

// Download writes the answer to a POST to w, after it has said how long it is. An answer
// that ends early is an error.
func (c *Client) Download(ctx context.Context, path string, w io.Writer, length func(int64)) (int64, error) {
	resp, err := c.send(ctx, http.MethodPost, path, []byte("{}"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or cut
	if resp.StatusCode >= http.StatusBadRequest {
		return 0, decode(resp, nil)
	}
	length(resp.ContentLength)
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("the download has ended early: %w", err)
	}
	return n, nil
}

// Fetch writes the answer to a GET to w as it is, whatever its form.
func (c *Client) Fetch(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or cut
	if resp.StatusCode >= http.StatusBadRequest {
		return decode(resp, nil)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("the answer has ended early: %w", err)
	}
	if n > maxAnswer {
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return nil
}
