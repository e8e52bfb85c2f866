# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
# ruff: noqa: E501
"""What an amphora had, recorded in a virtual machine (Debian 12).

Kernel 6.1, keepalived 2.2.7: the configurations of two listeners as Octavia's
agent had written them, and ``/proc/net/ip_vs`` of ``amphora-haproxy`` while
they came: before both, after the first one, and after both. The VIP of IPv6
has members with UDP only.
"""

SCTP_LISTENER = "d2af96c8-d6cd-4c3b-b831-9bdc422c3cfb"
UDP_LISTENER = "d8a55140-4821-464d-b35d-009dc9eb6a1c"
SCTP_CONFIGURATION = """\
# Configuration for Loadbalancer ad1489d2-7006-4e8c-ab2e-0e569087d5c0
# Configuration for Listener d2af96c8-d6cd-4c3b-b831-9bdc422c3cfb

net_namespace amphora-haproxy

virtual_server_group ipv4-group {
    198.51.100.56 2905
}

virtual_server group ipv4-group {
    lb_algo wrr
    lb_kind NAT
    protocol SCTP
    delay_loop 60
    delay_before_retry 60
    retry 2


    # Configuration for Pool 17cc25dd-d77a-4a7b-83ed-2df56b751ab5
    # Configuration for HealthMonitor 69ee8f6d-c2b7-4c8c-8110-67713efa26c1
    # Configuration for Member 271ee8c1-5f2b-4a4d-a084-2a7a77ab9068
    real_server 10.10.0.13 8082 {
        weight 1
        MISC_CHECK {
            misc_path "amphora-health-checker sctp -t 55 10.10.0.13 8082"
            misc_timeout 56
        }
    }

    # Configuration for Member 2721457f-49d0-444a-ae77-2c5f9ee433d7
    real_server 10.10.0.11 8082 {
        weight 1
        MISC_CHECK {
            misc_path "amphora-health-checker sctp -t 55 10.10.0.11 8082"
            misc_timeout 56
        }
    }

    # Configuration for Member c47e765e-943e-4d0e-ab34-f82e9fa1ff3d
    real_server 10.10.0.12 8082 {
        weight 1
        MISC_CHECK {
            misc_path "amphora-health-checker sctp -t 55 10.10.0.12 8082"
            misc_timeout 56
        }
    }

}
virtual_server_group ipv6-group {
    2001:db8:100::387 2905
}

virtual_server group ipv6-group {
    lb_algo wrr
    lb_kind NAT
    protocol SCTP
    delay_loop 60
    delay_before_retry 60
    retry 2


    # Configuration for Pool 17cc25dd-d77a-4a7b-83ed-2df56b751ab5
    # Configuration for HealthMonitor 69ee8f6d-c2b7-4c8c-8110-67713efa26c1
}
"""
UDP_CONFIGURATION = """\
# Configuration for Loadbalancer ad1489d2-7006-4e8c-ab2e-0e569087d5c0
# Configuration for Listener d8a55140-4821-464d-b35d-009dc9eb6a1c

net_namespace amphora-haproxy

virtual_server_group ipv4-group {
    198.51.100.56 5300
}

virtual_server group ipv4-group {
    lb_algo wrr
    lb_kind NAT
    protocol UDP
    delay_loop 30
    delay_before_retry 30
    retry 2


    # Configuration for Pool 02456ea8-2863-4339-b548-6ef09f7cedfa
    # Configuration for HealthMonitor 45d418d8-3a77-4071-82a1-073ce9eea969
    # Configuration for Member 5e695518-3c51-4f65-9d9e-2c33119812db
    real_server 10.10.0.13 8081 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh 10.10.0.13 8081"
            misc_timeout 25
        }
    }

    # Configuration for Member ec6bf321-9c03-4be6-989b-b948c8ac34f1
    real_server 10.10.0.12 8081 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh 10.10.0.12 8081"
            misc_timeout 25
        }
    }

    # Configuration for Member f967526e-4ef4-4d18-a017-168aa2fb7580
    real_server 10.10.0.11 8081 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh 10.10.0.11 8081"
            misc_timeout 25
        }
    }

}
virtual_server_group ipv6-group {
    2001:db8:100::387 5300
}

virtual_server group ipv6-group {
    lb_algo wrr
    lb_kind NAT
    protocol UDP
    delay_loop 30
    delay_before_retry 30
    retry 2


    # Configuration for Pool 02456ea8-2863-4339-b548-6ef09f7cedfa
    # Configuration for HealthMonitor 45d418d8-3a77-4071-82a1-073ce9eea969
    # Configuration for Member a3f3595d-18da-4087-8857-d0fa4f80b157
    real_server fd00:10:10::12 8081 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh fd00:10:10::12 8081"
            misc_timeout 25
        }
    }

    # Configuration for Member a733135f-13ac-46c0-a9ba-38784d947f1a
    real_server fd00:10:10::13 8081 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh fd00:10:10::13 8081"
            misc_timeout 25
        }
    }

    # Configuration for Member ff8f1bf1-bbfc-494c-b321-c44d68f44b99
    real_server fd00:10:10::11 8081 {
        weight 1
        MISC_CHECK {
            misc_path "/var/lib/octavia/lvs/check/udp_check.sh fd00:10:10::11 8081"
            misc_timeout 25
        }
    }

}
"""
NO_SERVICE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""
SCTP_ONLY = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
SCTP  C6336438:0B59 wrr\x20\x20
  -> 0A0A000C:1F92      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> 0A0A000B:1F92      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> 0A0A000D:1F92      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
"""
BOTH = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C6336438:14B4 wrr\x20\x20
  -> 0A0A000B:1F91      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> 0A0A000C:1F91      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> 0A0A000D:1F91      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
UDP  [2001:0db8:0100:0000:0000:0000:0000:0387]:14B4 wrr\x20
  -> [fd00:0010:0010:0000:0000:0000:0000:0011]:1F91      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> [fd00:0010:0010:0000:0000:0000:0000:0013]:1F91      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> [fd00:0010:0010:0000:0000:0000:0000:0012]:1F91      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
SCTP  C6336438:0B59 wrr\x20\x20
  -> 0A0A000C:1F92      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> 0A0A000B:1F92      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
  -> 0A0A000D:1F92      Masq    1      0          0\x20\x20\x20\x20\x20\x20\x20\x20\x20
"""
