/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Copyright (c) 2026 The octavia-anycast authors */
/*
 * Flow rescue: packets of a connection reach the amphora that has its socket.
 *
 * When the set of next hops changes, the fabric hashes established connections
 * to other amphorae, which would answer with a reset. Two programs of TC
 * (clsact, ingress) prevent that:
 *
 *   client --> eth1: flow_rescue_frontend        is it ours?
 *                |-- yes: the stack, as without this program
 *                |-- no, the owner is learnt: CARRY or ASK to it --+
 *                '-- no, nobody knows: PROBE to all members -------+
 *                                                                  | VXLAN
 *   owner  <-- eth1 (own MAC) <-- flow_rescue_tunnel <-------------+
 *                                     '-- MINE or NOT_MINE to the sender
 *
 * What arrives from the tunnel is delivered or dropped, never sent to a third
 * one: there is no loop. The VNI of a packet is its kind; the two MAC
 * addresses of the inner frame are the cluster's secret.
 *
 * layout.py mirrors the enums and structs below; a unit test compares them.
 * Decisions: doc/source/contributor/adr/0120 and 0121.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MEMBERS_MAX 64
#define ADDRESSES_MAX 256
#define SERVICES_MAX 16384
#define LEARNED_MAX 65536
#define SEARCHES_MAX 16384
#define FRAGMENTS_MAX 4096

#define MILLISECOND 1000000ULL
#define SECOND (1000 * MILLISECOND)
/*
 * A learnt owner is trusted for so long, then the next packet asks it; one that
 * comes again asks at once, for the owner did not acknowledge it.
 */
#define TRUST (2 * SECOND)
#define ANSWER_TIMEOUT (200 * MILLISECOND)
/* Between the two floods of a flow, and from the last one to giving up. */
#define FLOOD_INTERVAL (100 * MILLISECOND)
#define FLOODS_MAX 2
/* A flow that nobody claimed may be searched for again after this. */
#define SEARCH_LIFETIME (30 * SECOND)
/* What differs by more than a MiB is searched for by itself. */
#define SEARCH_SHIFT 20
#define ELAPSED_MAX (1000 * SECOND)
#define FRAGMENT_LIFETIME (30 * SECOND)

/* The least distance from the socket's numbers at which it is the same flow. */
#define WINDOW_MIN (1 << 20)
#define DELIVERED_MARK 0x0a7e5c0e
/* To the stack, by way of other filters, if there are any. */
#define PASS TC_ACT_UNSPEC
#define TUNNEL_TTL 64
/* Linux' TC_PRIO_FILLER: probes leave after everything else. */
#define PROBE_PRIORITY 1
#define TUNNEL_KEY_SIZE offsetof(struct bpf_tunnel_key, tunnel_label)

#define IP_FRAGMENT_OFFSET 0x1fff
#define IP_MORE_FRAGMENTS 0x2000
#define IP6_FRAGMENT_OFFSET 0xfff8
#define NEXTHDR_FRAGMENT 44
#define ICMP_DEST_UNREACH 3 /* code 4: fragmentation needed */
#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_PKT_TOOBIG 2

enum message {
	CARRY = 1, /* the receiver is the learnt owner */
	ASK,	   /* the same, and it is to confirm that */
	PROBE,	   /* whoever owns it takes it and says so */
	QUESTION,  /* a PROBE of a packet too large to be copied: headers only */
	MINE,
	NOT_MINE,
};

/* Counted for the member that a packet went to or came from; slot 0: none. */
enum counter {
	CARRIED,	/* packets sent to the member as the owner */
	FLOODS,		/* floods, of PROBE or QUESTION */
	PROBES,		/* copies sent to the member by floods */
	REFUSED,	/* packets dropped: the budget had no flood for them */
	WAITING,	/* packets dropped: a flood was not answered yet */
	GIVEN_UP,	/* packets left to the stack: nobody owns the flow */
	LEARNED,	/* flows that the member said are its own */
	UNLEARNED,	/* flows that it said are not, or are not any more */
	UNANSWERED,	/* questions that the member did not answer in time */
	PROBED,		/* copies received from floods of the member */
	DELIVERED,	/* packets of the member's delivered to the stack here */
	ANSWERED,	/* MINE and NOT_MINE sent to the member */
	FOREIGN,	/* dropped: not from a member */
	FORGED,		/* dropped: from a member's address, wrong secret */
	MALFORMED,	/* dropped: nothing that a member sends */
	COUNTERS,
};

enum member_state {
	LOST = 1, /* sends what may be taken, but nothing is sent to it */
	PRESENT,
};

/* An IPv4 address is mapped (RFC 4291, section 2.5.5.2). */
struct address {
	__be32 words[4];
};

struct flow {
	struct address client;
	struct address vip;
	__be16 client_port;
	__be16 vip_port;
};

/* A TCP listener of a VIP; with port 0 the VIP itself. */
struct service {
	struct address vip;
	__be16 port;
	__u16 padding;
};

/*
 * The tag is of the member's id. An entry that names a slot has it too, so
 * that the next member of the slot is not taken for the one that left.
 */
struct member {
	struct address address;
	__u8 id[16];
	__u32 tag;
	__u32 state;
};

struct config {
	__u8 secrets[2][12]; /* the first is sent, both are accepted */
	__u8 frontend_mac[6];
	__u16 padding;
	__u32 frontend_ifindex;
	__u32 tunnel_ifindex;
	__u32 slots;	   /* the members' slots are 1 to this */
	__u32 present;	   /* how many of them are PRESENT */
	__u32 probe_rate;  /* copies a second */
	__u32 probe_burst; /* copies at once */
};

struct learned {
	__u64 confirmed; /* ns of the monotonic clock */
	__u64 asked;	 /* 0: no question is open */
	__u32 slot;
	__u32 tag;
	__u32 sequence; /* the highest one of a segment with payload */
	__u32 padding;
};

/*
 * With the numbers' high bits: whoever knows the addresses and ports alone must
 * not be able to end the search for the real connection.
 */
struct sought {
	struct flow flow;
	__u32 sequence, acknowledgement;
};

struct search {
	__u64 flooded;
	__u64 floods;
};

struct datagram {
	struct address client;
	struct address vip;
	__be32 id;
};

struct follower {
	__u64 since;
	__u32 slot;
	__u32 tag;
};

struct budget {
	struct bpf_spin_lock lock;
	__u32 tokens;
	__u64 filled;
};

struct counters {
	__u64 values[COUNTERS];
};

/* A hash map's value is replaced as a whole, an array's is not. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} configs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SERVICES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service);
	__type(value, __u32);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MEMBERS_MAX);
	__type(key, __u32);
	__type(value, struct member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ADDRESSES_MAX);
	__type(key, struct address);
	__type(value, __u32);
} slots SEC(".maps");

/* Only a member's answer makes an entry: garbage from outside evicts none. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LEARNED_MAX);
	__type(key, struct flow);
	__type(value, struct learned);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SEARCHES_MAX);
	__type(key, struct sought);
	__type(value, struct search);
} searches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAGMENTS_MAX);
	__type(key, struct datagram);
	__type(value, struct follower);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MEMBERS_MAX + 1);
	__type(key, __u32);
	__type(value, struct counters);
} statistics SEC(".maps");

struct icmp {
	__u8 type, code;
	__be16 checksum;
	__be32 rest;
};

/* What is read of the kernel's sockets; BTF says where it is (CO-RE). */
struct sock_common {
	__u32 skc_tw_rcv_nxt;
	__u32 skc_tw_snd_nxt;
} __attribute__((preserve_access_index));

struct inet_timewait_sock {
	struct sock_common __tw_common;
} __attribute__((preserve_access_index));

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
} __attribute__((preserve_access_index));

struct tcp_request_sock {
	__u32 snt_isn;
	__u32 rcv_nxt;
} __attribute__((preserve_access_index));

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 rcv_wnd;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 max_window;
} __attribute__((preserve_access_index));

static struct tcp_sock *(*skc_to_tcp_sock)(void *sk) =
	(void *)BPF_FUNC_skc_to_tcp_sock;
static struct tcp_timewait_sock *(*skc_to_tcp_timewait_sock)(void *sk) =
	(void *)BPF_FUNC_skc_to_tcp_timewait_sock;
static struct tcp_request_sock *(*skc_to_tcp_request_sock)(void *sk) =
	(void *)BPF_FUNC_skc_to_tcp_request_sock;

enum kind {
	SEGMENT,	/* with a whole TCP header, perhaps a first fragment */
	LATER_FRAGMENT, /* of TCP; has no ports */
	ICMP_ERROR,	/* about a segment that the VIP sent */
};

struct packet {
	struct flow flow;
	__be32 fragment_id; /* 0: not a fragment */
	__u32 headers_size; /* of Ethernet, IP and TCP without options */
	__u32 size; /* of the frame by its IP header; more is padding */
	enum kind kind;
	bool has_payload;
	/* For an ICMP error the sequence number of what the VIP sent. */
	__u32 sequence;
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} ip;
	struct tcphdr tcp;
};

static __always_inline void count(__u32 slot, enum counter counter)
{
	struct counters *counters = bpf_map_lookup_elem(&statistics, &slot);

	if (counters)
		counters->values[counter]++;
}

static __always_inline struct address mapped(__be32 ipv4)
{
	struct address address = {
		.words = { 0, 0, bpf_htonl(0xffff), ipv4 },
	};

	return address;
}

static __always_inline bool is_ipv4(const struct address *address)
{
	return !address->words[0] && !address->words[1] &&
	       address->words[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_same(const struct address *a,
				    const struct address *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] &&
	       a->words[2] == b->words[2] && a->words[3] == b->words[3];
}

/* -- Parsing ---------------------------------------------------------- */

/* What the kernel merged beyond 64 KiB has a length of 0 (BIG TCP). */
static __always_inline void set_size(struct __sk_buff *skb,
				     struct packet *packet, __u32 length,
				     __u32 header)
{
	packet->size = length ? ETH_HLEN + header + length : skb->len;
}

static __always_inline bool parse_tcp(struct __sk_buff *skb, __u32 offset,
				      struct packet *packet)
{
	struct tcphdr *tcp = &packet->tcp;

	/* Port 0 has no listener; as a service it is the VIP itself. */
	if (packet->size < offset + sizeof(*tcp) ||
	    bpf_skb_load_bytes(skb, offset, tcp, sizeof(*tcp)) ||
	    tcp->doff < sizeof(*tcp) / 4 || !tcp->dest)
		return false;
	packet->kind = SEGMENT;
	packet->flow.client_port = tcp->source;
	packet->flow.vip_port = tcp->dest;
	packet->sequence = bpf_ntohl(tcp->seq);
	packet->headers_size = offset + sizeof(*tcp);
	packet->has_payload = packet->size > offset + tcp->doff * 4;
	return true;
}

/* The segment in an ICMP error was sent by the VIP: its source is ours. */
static __always_inline bool parse_sent(struct __sk_buff *skb, __u32 offset,
				       struct packet *packet,
				       const struct address *source)
{
	struct {
		__be16 source, dest;
		__be32 sequence;
	} tcp;

	if (!is_same(source, &packet->flow.vip) ||
	    packet->size < offset + sizeof(tcp) ||
	    bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)) || !tcp.source)
		return false;
	packet->kind = ICMP_ERROR;
	packet->flow.client_port = tcp.dest;
	packet->flow.vip_port = tcp.source;
	packet->sequence = bpf_ntohl(tcp.sequence);
	return true;
}

static __always_inline bool parse_icmp(struct __sk_buff *skb, __u32 offset,
				       struct packet *packet)
{
	struct icmp icmp;
	struct iphdr sent;
	struct address source;

	if (bpf_skb_load_bytes(skb, offset, &icmp, sizeof(icmp)) ||
	    icmp.type != ICMP_DEST_UNREACH)
		return false;
	offset += sizeof(icmp);
	if (bpf_skb_load_bytes(skb, offset, &sent, sizeof(sent)) ||
	    sent.version != 4 || sent.ihl < 5 || sent.protocol != IPPROTO_TCP ||
	    sent.frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
		return false;
	source = mapped(sent.saddr);
	packet->flow.client = mapped(sent.daddr);
	return parse_sent(skb, offset + sent.ihl * 4, packet, &source);
}

static __always_inline bool parse_icmpv6(struct __sk_buff *skb, __u32 offset,
					 struct packet *packet)
{
	struct icmp icmp;
	struct ipv6hdr sent;
	struct address source;

	if (bpf_skb_load_bytes(skb, offset, &icmp, sizeof(icmp)) ||
	    (icmp.type != ICMPV6_DEST_UNREACH &&
	     icmp.type != ICMPV6_PKT_TOOBIG))
		return false;
	offset += sizeof(icmp);
	if (bpf_skb_load_bytes(skb, offset, &sent, sizeof(sent)) ||
	    sent.version != 6 || sent.nexthdr != IPPROTO_TCP)
		return false;
	__builtin_memcpy(&source, &sent.saddr, sizeof(source));
	__builtin_memcpy(&packet->flow.client, &sent.daddr,
			 sizeof(packet->flow.client));
	return parse_sent(skb, offset + sizeof(sent), packet, &source);
}

static __always_inline bool parse_ipv4(struct __sk_buff *skb,
				       struct packet *packet)
{
	struct iphdr *ip = &packet->ip.v4;
	__u16 fragment;
	__u32 offset;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)) ||
	    ip->version != 4 || ip->ihl < 5)
		return false;
	packet->flow.client = mapped(ip->saddr);
	packet->flow.vip = mapped(ip->daddr);
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & (IP_FRAGMENT_OFFSET | IP_MORE_FRAGMENTS))
		/* An id of 0 is one, too. */
		packet->fragment_id = bpf_htonl(0x10000 | bpf_ntohs(ip->id));
	offset = ETH_HLEN + ip->ihl * 4;
	set_size(skb, packet, bpf_ntohs(ip->tot_len), 0);
	if (ip->protocol == IPPROTO_TCP) {
		if (!(fragment & IP_FRAGMENT_OFFSET))
			return parse_tcp(skb, offset, packet);
		packet->kind = LATER_FRAGMENT;
		return true;
	}
	return ip->protocol == IPPROTO_ICMP && !packet->fragment_id &&
	       parse_icmp(skb, offset, packet);
}

static __always_inline bool parse_ipv6(struct __sk_buff *skb,
				       struct packet *packet)
{
	struct ipv6hdr *ip = &packet->ip.v6;
	__u32 offset = ETH_HLEN + sizeof(*ip);
	struct {
		__u8 nexthdr, reserved;
		__be16 offset;
		__be32 id;
	} fragment;
	__u8 protocol;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)) ||
	    ip->version != 6)
		return false;
	__builtin_memcpy(&packet->flow.client, &ip->saddr,
			 sizeof(packet->flow.client));
	__builtin_memcpy(&packet->flow.vip, &ip->daddr,
			 sizeof(packet->flow.vip));
	/* A mapped address on the wire would be taken for an IPv4 one. */
	if (is_ipv4(&packet->flow.client) || is_ipv4(&packet->flow.vip))
		return false;
	set_size(skb, packet, bpf_ntohs(ip->payload_len), sizeof(*ip));
	protocol = ip->nexthdr;
	if (protocol == NEXTHDR_FRAGMENT) {
		if (bpf_skb_load_bytes(skb, offset, &fragment,
				       sizeof(fragment)))
			return false;
		offset += sizeof(fragment);
		protocol = fragment.nexthdr;
		packet->fragment_id = fragment.id;
		if (fragment.offset & bpf_htons(IP6_FRAGMENT_OFFSET)) {
			packet->kind = LATER_FRAGMENT;
			return protocol == IPPROTO_TCP;
		}
	}
	if (protocol == IPPROTO_TCP)
		return parse_tcp(skb, offset, packet);
	return protocol == IPPROTO_ICMPV6 && !packet->fragment_id &&
	       parse_icmpv6(skb, offset, packet);
}

static __always_inline bool parse(struct __sk_buff *skb,
				  struct packet *packet)
{
	/* A tagged frame is of another network than the front end's. */
	if (skb->vlan_present)
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, packet);
	return false;
}

static __always_inline bool is_served(const struct packet *packet)
{
	struct service service = {
		.vip = packet->flow.vip,
		.port = packet->flow.vip_port,
	};

	return bpf_map_lookup_elem(&services, &service);
}

/* -- Whose is it? ----------------------------------------------------- */

enum verdict {
	NO_SOCKET,   /* none, or a listener that did not send this cookie */
	OTHER_TIME,  /* a socket of these addresses and ports, but another
		      * connection's by the sequence numbers */
	OWN,
};

struct range {
	__u32 low, high; /* as sequence numbers: modulo 2^32 */
};

static __always_inline bool is_in(__u32 number, struct range range)
{
	return number - range.low <= range.high - range.low;
}

static __always_inline __u32 at_least_window(__u32 window)
{
	return window > WINDOW_MIN ? window : WINDOW_MIN;
}

static __always_inline enum verdict verdict_of(bool is_own)
{
	return is_own ? OWN : OTHER_TIME;
}

/*
 * A segment has both numbers, but a reset may have no acknowledgement. What an
 * ICMP error quotes has one, the socket's own.
 */
static __always_inline enum verdict compare(const struct packet *packet,
						struct range received,
						struct range sent)
{
	if (packet->kind == ICMP_ERROR)
		return verdict_of(is_in(packet->sequence, sent));
	return verdict_of(is_in(packet->sequence, received) &&
			  (!packet->tcp.ack ||
			   is_in(bpf_ntohl(packet->tcp.ack_seq), sent)));
}

static __always_inline enum verdict
compare_full(const struct packet *packet, struct bpf_sock *sk)
{
	struct tcp_sock *tcp = skc_to_tcp_sock(sk);
	struct range received, sent;
	__u32 window;

	if (!tcp)
		return NO_SOCKET;
	window = at_least_window(tcp->rcv_wnd);
	received.low = tcp->rcv_nxt - window;
	received.high = tcp->rcv_nxt + window;
	sent.low = tcp->snd_una - at_least_window(tcp->max_window);
	/* It is sent before snd_nxt says so. */
	sent.high = tcp->snd_nxt + WINDOW_MIN;
	return compare(packet, received, sent);
}

static __always_inline enum verdict
compare_request(const struct packet *packet, struct bpf_sock *sk)
{
	struct tcp_request_sock *request = skc_to_tcp_request_sock(sk);

	if (!request)
		return NO_SOCKET;
	if (packet->kind == ICMP_ERROR)
		return verdict_of(packet->sequence == request->snt_isn);
	if (!packet->tcp.ack)
		return verdict_of(packet->sequence == request->rcv_nxt);
	return verdict_of(bpf_ntohl(packet->tcp.ack_seq) ==
			  request->snt_isn + 1);
}

static __always_inline enum verdict
compare_time_wait(const struct packet *packet, struct bpf_sock *sk)
{
	struct tcp_timewait_sock *waiting = skc_to_tcp_timewait_sock(sk);
	struct range received, sent;

	if (!waiting)
		return NO_SOCKET;
	/*
	 * Nothing new comes but a FIN. A new connection of the same addresses
	 * and ports begins above: near, since it is a clock that grows.
	 */
	received.high = waiting->tw_sk.__tw_common.skc_tw_rcv_nxt;
	received.low = received.high - WINDOW_MIN;
	sent.high = waiting->tw_sk.__tw_common.skc_tw_snd_nxt;
	sent.low = sent.high - WINDOW_MIN;
	return compare(packet, received, sent);
}

static __always_inline enum verdict
compare_cookie(struct packet *packet, struct bpf_sock *sk)
{
	__u32 size = is_ipv4(&packet->flow.vip) ? sizeof(packet->ip.v4) :
						  sizeof(packet->ip.v6);

	if (packet->kind == SEGMENT && packet->tcp.ack &&
	    !bpf_tcp_check_syncookie(sk, &packet->ip, size, &packet->tcp,
				     sizeof(packet->tcp)))
		return OWN;
	return NO_SOCKET;
}

static __noinline int look_up(struct __sk_buff *skb, struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	enum verdict verdict;
	struct bpf_sock *sk;
	__u32 size;

	if (!packet)
		return NO_SOCKET;
	if (is_ipv4(&packet->flow.vip)) {
		tuple.ipv4.saddr = packet->flow.client.words[3];
		tuple.ipv4.daddr = packet->flow.vip.words[3];
		tuple.ipv4.sport = packet->flow.client_port;
		tuple.ipv4.dport = packet->flow.vip_port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &packet->flow.client,
				 sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &packet->flow.vip,
				 sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = packet->flow.client_port;
		tuple.ipv6.dport = packet->flow.vip_port;
		size = sizeof(tuple.ipv6);
	}
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return NO_SOCKET;
	switch (sk->state) {
	case BPF_TCP_LISTEN:
		verdict = compare_cookie(packet, sk);
		break;
	case BPF_TCP_NEW_SYN_RECV:
		verdict = compare_request(packet, sk);
		break;
	case BPF_TCP_TIME_WAIT:
		verdict = compare_time_wait(packet, sk);
		break;
	default:
		verdict = compare_full(packet, sk);
	}
	bpf_sk_release(sk);
	return verdict;
}

/* -- Sending ---------------------------------------------------------- */

static __always_inline long address_to(struct __sk_buff *skb,
				       const struct address *address,
				       enum message message)
{
	struct bpf_tunnel_key key = {
		.tunnel_id = message,
		.tunnel_ttl = TUNNEL_TTL,
	};
	__u64 flags = BPF_F_TUNINFO_IPV6;

	if (is_ipv4(address)) {
		key.remote_ipv4 = bpf_ntohl(address->words[3]);
		flags = BPF_F_ZERO_CSUM_TX;
	} else {
		__builtin_memcpy(key.remote_ipv6, address,
				 sizeof(key.remote_ipv6));
	}
	return bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, flags);
}

static __always_inline long sign(struct __sk_buff *skb, struct config *config)
{
	return bpf_skb_store_bytes(skb, 0, config->secrets[0],
				   sizeof(config->secrets[0]), 0);
}

static __always_inline bool is_current(const struct member *member, __u32 tag)
{
	return member && member->state == PRESENT && member->tag == tag;
}

static __always_inline int carry(struct __sk_buff *skb, struct config *config,
				 struct member *member, __u32 slot,
				 enum message message)
{
	if (sign(skb, config) || address_to(skb, &member->address, message))
		return TC_ACT_SHOT;
	count(slot, CARRIED);
	return bpf_redirect(config->tunnel_ifindex, 0);
}

/*
 * One token is one copy. A flood gets all of its tokens or is refused, and it
 * leaves a reserve to floods that are more urgent.
 */
static __always_inline bool take_tokens(struct config *config, __u32 reserve)
{
	__u64 now = bpf_ktime_get_ns(), elapsed, tokens;
	struct budget *budget;
	__u32 key = 0;
	bool is_taken;

	budget = bpf_map_lookup_elem(&budgets, &key);
	if (!budget)
		return false;
	bpf_spin_lock(&budget->lock);
	elapsed = now - budget->filled;
	if ((__s64)elapsed < 0) /* another processor's clock was read later */
		elapsed = 0;
	if (elapsed > ELAPSED_MAX) { /* at first, and after a long rest */
		budget->filled = now;
		tokens = config->probe_burst;
	} else { /* what is less than a token goes on to grow */
		tokens = elapsed * config->probe_rate / SECOND;
		budget->filled += tokens * SECOND / config->probe_rate;
		tokens += budget->tokens;
	}
	if (tokens > config->probe_burst)
		tokens = config->probe_burst;
	is_taken = tokens >= config->present + reserve;
	if (is_taken)
		tokens -= config->present;
	budget->tokens = tokens;
	bpf_spin_unlock(&budget->lock);
	return is_taken;
}

/*
 * Send a copy to every member, from a random one on: those that flood at the
 * same moment do not all begin with the same one.
 */
static __noinline int flood(struct __sk_buff *skb, struct config *config,
			    enum message message)
{
	struct member *member;
	__u32 start, slot, i;

	if (!config || !config->slots || sign(skb, config))
		return TC_ACT_SHOT;
	skb->priority = PROBE_PRIORITY;
	start = bpf_get_prandom_u32() % config->slots;
	for (i = 0; i < MEMBERS_MAX; i++) {
		if (i >= config->slots)
			break;
		slot = start + i;
		if (slot >= config->slots)
			slot -= config->slots;
		slot++;
		member = bpf_map_lookup_elem(&members, &slot);
		if (!member || member->state != PRESENT ||
		    address_to(skb, &member->address, message))
			continue;
		if (!bpf_clone_redirect(skb, config->tunnel_ifindex, 0))
			count(slot, PROBES);
	}
	count(0, FLOODS);
	return TC_ACT_SHOT;
}

/* A copy of a packet that is many on the wire would be many: ask instead. */
static __always_inline enum message shrink(struct __sk_buff *skb,
					   const struct packet *packet)
{
	/* Of a virtual machine's frames the number of segments is not known. */
	if (!skb->gso_size || packet->kind != SEGMENT ||
	    bpf_skb_change_tail(skb, packet->headers_size, 0))
		return PROBE;
	return QUESTION;
}

static __always_inline int refuse(enum counter reason)
{
	count(0, reason);
	return TC_ACT_SHOT;
}

/*
 * Of connections that end: most come for one that the server closed long ago,
 * at any rate. They must not use up what others need to go on.
 */
static __always_inline bool is_closing(const struct packet *packet)
{
	return packet->tcp.fin || packet->tcp.rst;
}

static __always_inline struct sought sought_of(const struct packet *packet)
{
	struct sought sought = {
		.flow = packet->flow,
		.sequence = packet->sequence >> SEARCH_SHIFT,
	};

	if (packet->tcp.ack)
		sought.acknowledgement =
			bpf_ntohl(packet->tcp.ack_seq) >> SEARCH_SHIFT;
	return sought;
}

static __always_inline int search(struct __sk_buff *skb,
				  struct config *config,
				  struct packet *packet)
{
	struct search fresh = { .flooded = bpf_ktime_get_ns(), .floods = 1 };
	__u32 floods_max = is_closing(packet) ? 1 : FLOODS_MAX;
	__u32 reserve = is_closing(packet) ? config->probe_burst / 2 : 0;
	struct sought sought = sought_of(packet);
	struct search *search;

	search = bpf_map_lookup_elem(&searches, &sought);
	if (search && fresh.flooded - search->flooded > SEARCH_LIFETIME) {
		bpf_map_delete_elem(&searches, &sought);
		search = NULL;
	}
	if (search) {
		if (fresh.flooded - search->flooded < FLOOD_INTERVAL)
			return refuse(WAITING);
		if (search->floods >= floods_max) {
			count(0, GIVEN_UP);
			return PASS;
		}
		if (!take_tokens(config, reserve))
			return refuse(REFUSED);
		/* Of two processors only one floods. */
		if (__sync_val_compare_and_swap(&search->floods, 1, 2) != 1)
			return refuse(WAITING);
		search->flooded = fresh.flooded;
	} else {
		if (!take_tokens(config, reserve)) {
			count(0, REFUSED);
			/* It is at its end anyway. */
			return is_closing(packet) ? PASS : TC_ACT_SHOT;
		}
		if (bpf_map_update_elem(&searches, &sought, &fresh,
					BPF_NOEXIST))
			return refuse(WAITING);
	}
	return flood(skb, config, shrink(skb, packet));
}

/* No state: an error that anybody can forge must not end a search. */
static __always_inline int flood_error(struct __sk_buff *skb,
				       struct config *config)
{
	if (!take_tokens(config, 0))
		return refuse(REFUSED);
	return flood(skb, config, PROBE);
}

static __always_inline void follow(const struct packet *packet, __u32 slot,
				   __u32 tag)
{
	struct datagram datagram = {
		.client = packet->flow.client,
		.vip = packet->flow.vip,
		.id = packet->fragment_id,
	};
	struct follower follower = {
		.since = bpf_ktime_get_ns(),
		.slot = slot,
		.tag = tag,
	};

	if (slot)
		bpf_map_update_elem(&fragments, &datagram, &follower, BPF_ANY);
	else
		bpf_map_delete_elem(&fragments, &datagram);
}

static __always_inline bool is_repeated(const struct packet *packet,
					struct learned *learned)
{
	if (packet->kind != SEGMENT || !packet->has_payload)
		return false;
	if ((__s32)(packet->sequence - learned->sequence) <= 0)
		return true;
	learned->sequence = packet->sequence;
	return false;
}

/* The owner that was learnt and what it gets, or none. */
static __always_inline struct member *owner_of(struct packet *packet,
					       struct learned *learned,
					       enum message *message)
{
	__u64 now = bpf_ktime_get_ns();
	struct member *member;
	bool has_doubt;

	*message = CARRY;
	member = bpf_map_lookup_elem(&members, &learned->slot);
	if (!is_current(member, learned->tag))
		goto forget;
	has_doubt = is_repeated(packet, learned);
	if (!has_doubt && now - learned->confirmed < TRUST)
		return member;
	if (learned->asked && now - learned->asked > ANSWER_TIMEOUT) {
		count(learned->slot, UNANSWERED);
		goto forget;
	}
	if (packet->kind != SEGMENT)
		return member;
	if (!learned->asked)
		learned->asked = now;
	*message = ASK;
	return member;
forget:
	bpf_map_delete_elem(&owners, &packet->flow);
	return NULL;
}

static __noinline int rescue(struct __sk_buff *skb, struct packet *packet)
{
	enum message message;
	struct learned *learned;
	struct config *config;
	struct member *member;
	__u32 key = 0, slot;

	if (!packet)
		return PASS;
	config = bpf_map_lookup_elem(&configs, &key);
	if (!config || !config->present)
		return PASS;
	learned = bpf_map_lookup_elem(&owners, &packet->flow);
	if (learned) {
		slot = learned->slot;
		member = owner_of(packet, learned, &message);
		if (member) {
			if (packet->fragment_id)
				follow(packet, slot, member->tag);
			return carry(skb, config, member, slot, message);
		}
	}
	if (packet->kind == ICMP_ERROR)
		return flood_error(skb, config);
	return search(skb, config, packet);
}

static __noinline int rescue_fragment(struct __sk_buff *skb,
				      struct packet *packet)
{
	struct datagram datagram = {};
	struct follower *follower;
	struct config *config;
	struct member *member;
	__u32 key = 0, slot;

	if (!packet)
		return PASS;
	datagram.client = packet->flow.client;
	datagram.vip = packet->flow.vip;
	datagram.id = packet->fragment_id;
	follower = bpf_map_lookup_elem(&fragments, &datagram);
	if (!follower ||
	    bpf_ktime_get_ns() - follower->since > FRAGMENT_LIFETIME)
		return PASS;
	slot = follower->slot;
	config = bpf_map_lookup_elem(&configs, &key);
	member = bpf_map_lookup_elem(&members, &slot);
	if (!config || !is_current(member, follower->tag))
		return PASS;
	return carry(skb, config, member, slot, CARRY);
}

SEC("tc")
int flow_rescue_frontend(struct __sk_buff *skb)
{
	struct packet packet = {};

	if (skb->mark == DELIVERED_MARK) {
		skb->mark = 0;
		return PASS;
	}
	/* A bridge may show us what is for others. */
	if (skb->pkt_type != PACKET_HOST || !parse(skb, &packet) ||
	    !is_served(&packet) || packet.size > skb->len)
		return PASS;
	if (packet.kind == LATER_FRAGMENT)
		return rescue_fragment(skb, &packet);
	/*
	 * What was learnt of the same addresses and ports stays: the SYN may be
	 * forged, and a new connection is known by its socket here.
	 */
	if (packet.kind == SEGMENT && packet.tcp.syn && !packet.tcp.ack)
		return PASS;
	if (look_up(skb, &packet) != OWN)
		return rescue(skb, &packet);
	if (packet.fragment_id)
		follow(&packet, 0, 0);
	return PASS;
}

/* -- Receiving -------------------------------------------------------- */

struct sender {
	struct address address;
	__u32 slot;
	enum message message;
};

static __always_inline bool get_sender(struct __sk_buff *skb,
				       struct sender *sender)
{
	struct bpf_tunnel_key key = {};
	__u32 *slot;

	if (!bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, 0))
		sender->address = mapped(bpf_htonl(key.remote_ipv4));
	else if (!bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE,
					 BPF_F_TUNINFO_IPV6))
		__builtin_memcpy(&sender->address, key.remote_ipv6,
				 sizeof(sender->address));
	else
		return false;
	slot = bpf_map_lookup_elem(&slots, &sender->address);
	if (!slot)
		return false;
	sender->slot = *slot;
	sender->message = key.tunnel_id;
	return true;
}

static __always_inline bool is_signed(struct __sk_buff *skb,
				      const struct config *config)
{
	__u32 macs[3], first[3], second[3];

	if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)))
		return false;
	__builtin_memcpy(first, config->secrets[0], sizeof(first));
	__builtin_memcpy(second, config->secrets[1], sizeof(second));
	return !((macs[0] ^ first[0]) | (macs[1] ^ first[1]) |
		 (macs[2] ^ first[2])) ||
	       !((macs[0] ^ second[0]) | (macs[1] ^ second[1]) |
		 (macs[2] ^ second[2]));
}

static __always_inline int drop(__u32 slot, enum counter reason)
{
	count(slot, reason);
	return TC_ACT_SHOT;
}

static __always_inline void learn(const struct packet *packet,
				  const struct sender *sender)
{
	struct learned learned = {
		.confirmed = bpf_ktime_get_ns(),
		.slot = sender->slot,
		/* The next one to come is no repetition. */
		.sequence = packet->sequence - !packet->has_payload,
	};
	struct sought sought = sought_of(packet);
	struct member *member;

	/* Only an answer to what was asked. */
	if (!bpf_map_lookup_elem(&searches, &sought) &&
	    !bpf_map_lookup_elem(&owners, &packet->flow))
		return;
	member = bpf_map_lookup_elem(&members, &learned.slot);
	if (!member)
		return;
	learned.tag = member->tag;
	if (bpf_map_delete_elem(&searches, &sought) == 0)
		count(sender->slot, LEARNED);
	bpf_map_update_elem(&owners, &packet->flow, &learned, BPF_ANY);
}

static __always_inline void unlearn(const struct packet *packet,
				    const struct sender *sender)
{
	struct learned *learned;

	learned = bpf_map_lookup_elem(&owners, &packet->flow);
	if (!learned || learned->slot != sender->slot)
		return;
	bpf_map_delete_elem(&owners, &packet->flow);
	count(sender->slot, UNLEARNED);
}

/* Make the frame look as if it had come by the front end; mark it. */
static __always_inline long readdress(struct __sk_buff *skb,
				      struct config *config, __u32 slot)
{
	__u8 macs[12] = {};

	__builtin_memcpy(macs, config->frontend_mac, 6);
	macs[6] = 0x02; /* locally administered, and who sent it */
	macs[11] = slot;
	skb->mark = DELIVERED_MARK;
	count(slot, DELIVERED);
	return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

static __always_inline int deliver(struct __sk_buff *skb,
				   struct config *config, __u32 slot)
{
	if (readdress(skb, config, slot))
		return TC_ACT_SHOT;
	return bpf_redirect(config->frontend_ifindex, BPF_F_INGRESS);
}

/* The headers go back: they say which flow it is about. */
static __always_inline int answer(struct __sk_buff *skb,
				  struct config *config,
				  const struct packet *packet,
				  const struct sender *sender,
				  enum message message)
{
	skb->mark = 0;
	if (skb->len > packet->headers_size &&
	    bpf_skb_change_tail(skb, packet->headers_size, 0))
		return drop(sender->slot, MALFORMED);
	if (sign(skb, config) || address_to(skb, &sender->address, message))
		return TC_ACT_SHOT;
	count(sender->slot, ANSWERED);
	return bpf_redirect(config->tunnel_ifindex, 0);
}

static __always_inline int deliver_and_answer(struct __sk_buff *skb,
					      struct config *config,
					      const struct packet *packet,
					      const struct sender *sender)
{
	if (readdress(skb, config, sender->slot) ||
	    bpf_clone_redirect(skb, config->frontend_ifindex, BPF_F_INGRESS))
		return TC_ACT_SHOT;
	return answer(skb, config, packet, sender, MINE);
}

/*
 * Whether the message may be of this packet, all of the packet is there, and
 * the front end can have brought it. Questions and answers are headers alone.
 */
static __always_inline bool is_whole(struct __sk_buff *skb,
				     const struct packet *packet,
				     enum message message, __u32 ifindex)
{
	__u32 mtu = 0;

	switch (message) {
	case CARRY:
	case ASK:
	case PROBE:
		return packet->size <= skb->len &&
		       !bpf_check_mtu(skb, ifindex, &mtu, 0, 0);
	case QUESTION:
	case MINE:
	case NOT_MINE:
		return packet->kind == SEGMENT;
	default:
		return false;
	}
}

static __always_inline int receive(struct __sk_buff *skb,
				   struct config *config,
				   struct packet *packet,
				   const struct sender *sender)
{
	int verdict;

	if (sender->message == CARRY && packet->kind == LATER_FRAGMENT)
		return deliver(skb, config, sender->slot);
	if (packet->kind == LATER_FRAGMENT ||
	    (packet->kind == SEGMENT && packet->tcp.syn && !packet->tcp.ack))
		return drop(sender->slot, MALFORMED);
	if (sender->message == PROBE || sender->message == QUESTION)
		count(sender->slot, PROBED);
	verdict = look_up(skb, packet);
	if (packet->kind == ICMP_ERROR) {
		if (verdict == OWN)
			return deliver(skb, config, sender->slot);
		return TC_ACT_SHOT;
	}
	switch (sender->message) {
	case PROBE:
		if (verdict != OWN)
			return TC_ACT_SHOT;
		return deliver_and_answer(skb, config, packet, sender);
	case QUESTION:
		if (verdict != OWN)
			return TC_ACT_SHOT;
		return answer(skb, config, packet, sender, MINE);
	case ASK:
		if (verdict == OWN)
			return deliver_and_answer(skb, config, packet, sender);
		break;
	default: /* CARRY */
		break;
	}
	if (verdict == NO_SOCKET)
		return answer(skb, config, packet, sender, NOT_MINE);
	/* The stack judges what is out of the window; it is not to unlearn. */
	return deliver(skb, config, sender->slot);
}

SEC("tc")
int flow_rescue_tunnel(struct __sk_buff *skb)
{
	struct sender sender = {};
	struct packet packet = {};
	struct config *config;
	__u32 key = 0;

	config = bpf_map_lookup_elem(&configs, &key);
	if (!config)
		return TC_ACT_SHOT;
	if (!get_sender(skb, &sender))
		return drop(0, FOREIGN);
	if (!is_signed(skb, config))
		return drop(sender.slot, FORGED);
	if (!parse(skb, &packet) || !is_served(&packet) ||
	    !is_whole(skb, &packet, sender.message, config->frontend_ifindex))
		return drop(sender.slot, MALFORMED);
	if (sender.message == MINE)
		learn(&packet, &sender);
	else if (sender.message == NOT_MINE)
		unlearn(&packet, &sender);
	else
		return receive(skb, config, &packet, &sender);
	return TC_ACT_SHOT;
}

/* bpf_tcp_check_syncookie is for programs with a licence that is the GPL's. */
char _license[] SEC("license") = "GPL";
