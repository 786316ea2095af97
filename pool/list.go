package pool

// node is where an element stands in a [list], or may stand; it is part of the element.
// The lock that guards the list guards it.
type node[E any] struct {
	of         *E // the element itself
	next, prev *node[E]
	listed     bool
}

// list is a doubly linked list through its elements, so that putting one in costs no
// allocation and one may be taken out of the middle. The zero value is empty.
type list[E any] struct {
	first, last *node[E]
	len         int
}

// head returns the first element, nil if there is none.
func (l *list[E]) head() *E {
	if l.first == nil {
		return nil
	}
	return l.first.of
}

// insertAfter puts p behind o, which is in the list, or first if o is nil.
func (l *list[E]) insertAfter(o, p *node[E]) {
	p.prev, p.next, p.listed = o, l.first, true
	if o != nil {
		p.next, o.next = o.next, p
	} else {
		l.first = p
	}
	if p.next != nil {
		p.next.prev = p
	} else {
		l.last = p
	}
	l.len++
}

func (l *list[E]) remove(p *node[E]) {
	if p.prev == nil {
		l.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.next, p.prev, p.listed = nil, nil, false
	l.len--
}
