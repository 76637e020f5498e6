//! Faults for eoslab: what is run inside a pod to stop or kill a process there.
//!
//! A deleted pod is no crash: the kubelet still sends SIGTERM and waits. A crash is a SIGKILL, and it must be sent from
//! within the pod. The load pods share one PID namespace per pod, so `kubectl exec POD -- chaos signal …` reaches the
//! process of any container of the pod that runs as the same user.

pub mod signal;
