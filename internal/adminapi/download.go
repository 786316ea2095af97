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
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // cut where it is
	if resp.StatusCode >= http.StatusBadRequest {
		return decode(resp, nil)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), 8<<20) // an event may hold a megabyte of data, escaped
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "":
			kind = ""
		case "event":
			kind = value
		case "data":
			if err := followed(kind, value, show); err != nil {
				return err
			}
		}
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("an event of the stream is too long to be read: %w", err)
	case err != nil:
		return fmt.Errorf("%w any more: %w", ErrUnreachable, err)
	}
	return nil
}

// followed handles the data of one message of a stream.
func followed(kind, data string, show func(Event) error) error {
	if kind == "problem" {
		p := new(Problem)
		if json.Unmarshal([]byte(data), p) != nil {
			return errors.New("the server ended the stream and gave no reason that can be read")
		}
		if p.Code == "closed" { // the daemon stops, and may come back
			return nil
		}
		return p
	}
	var e Event
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("the stream holds something else than events: %w", err)
	}
	return show(e)
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
