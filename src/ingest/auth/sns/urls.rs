//! The two addresses in a message of SNS. Both are pinned to SNS itself before anything is visited: whoever could name
//! another host would choose the certificate, or make us visit an address of their choice.

use std::fmt;

use url::Url;

use super::Topics;

/// Where a signing certificate is: `https://sns.<region>.amazonaws.com/....pem`, port 443, no user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateUrl(Url);

impl CertificateUrl {
    /// Reads an address; nothing if it is not one of SNS's certificates.
    pub fn parse(text: &str) -> Option<Self> {
        let url = of_sns(text)?;
        let fine = url.path().rsplit_once('.').is_some_and(|(_, ending)| ending == "pem")
            && url.query().is_none()
            && url.fragment().is_none();
        fine.then_some(Self(url))
    }

    /// Whether it is of the regions in China, which other authorities certify too.
    pub fn is_in_china(&self) -> bool {
        let top = self.0.host_str().and_then(|host| host.rsplit('.').next());
        top == Some("cn")
    }

    pub(in super::super) const fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for CertificateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a subscription is confirmed. It holds a token, so it prints its host only.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscribeUrl(Url);

impl SubscribeUrl {
    /// Reads the address of a confirmation; nothing unless it is SNS's, confirms a subscription and names a topic of
    /// `topics`. With no topics nothing is ever visited.
    pub fn parse(text: &str, topics: &Topics) -> Option<Self> {
        let url = of_sns(text)?;
        let is = |name: &str, fits: &dyn Fn(&str) -> bool| {
            let mut values =
                url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
            values.next().is_some_and(|value| fits(&value)) && values.next().is_none()
        };
        let fine = url.path() == "/"
            && is("Action", &|action| action == "ConfirmSubscription")
            && is("TopicArn", &|topic| topics.allows(topic));
        fine.then_some(Self(url))
    }

    pub(in super::super) const fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for SubscribeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/...", self.0.host_str().unwrap_or(""))
    }
}

/// An https URL of SNS on port 443 without a user.
fn of_sns(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.scheme() == "https"
        && url.port_or_known_default() == Some(443)
        && url.username().is_empty()
        && url.password().is_none();
    let host = url.host_str()?;
    let host =
        host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let region = host.strip_prefix("sns.")?;
    let named = region.len() >= 3 && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (plain && named).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_pinned() {
        for (text, fine) in [
            ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem", true),
            ("https://sns.us-gov-west-1.amazonaws.com:443/a.pem", true),
            ("https://sns.cn-north-1.amazonaws.com.cn/a.pem", true),
            ("http://sns.us-east-1.amazonaws.com/a.pem", false),
            ("https://sns.us-east-1.amazonaws.com:8443/a.pem", false),
            ("https://sns.us-east-1.amazonaws.com/a.crt", false),
            ("https://sns.us-east-1.amazonaws.com/a?x=.pem", false),
            ("https://sns.us-east-1.amazonaws.com/a.pem?x=1", false),
            ("https://u:p@sns.us-east-1.amazonaws.com/a.pem", false),
            ("https://sns.us-east-1.amazonaws.com@evil.example/a.pem", false),
            ("https://sns.us-east-1.amazonaws.com.evil.example/a.pem", false),
            ("https://sns.us-east-1.amazonaws.com.cn.evil.example/a.pem", false),
            ("https://sns.x.y.amazonaws.com/a.pem", false),
            ("https://evilsns.us-east-1.amazonaws.com/a.pem", false),
            ("https://sns.amazonaws.com/a.pem", false),
            ("https://sqs.us-east-1.amazonaws.com/a.pem", false),
            ("https://bucket.s3.amazonaws.com/a.pem", false),
            ("file:///a.pem", false),
            ("EXAMPLE", false),
        ] {
            assert_eq!(CertificateUrl::parse(text).is_some(), fine, "{text}");
        }
    }

    #[test]
    fn only_our_topics_are_confirmed() {
        let ours = Topics::new(vec!["arn:aws:sns:eu-west-1:111122223333:alarms".to_owned()])
            .expect("a topic");
        let base = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:111122223333:";
        for (text, fine) in [
            (format!("{base}alarms&Token=t"), true),
            (format!("{base}others&Token=t"), false),
            (format!("{base}alarms&TopicArn=x&Token=t"), false),
            (base.replace("ConfirmSubscription", "Unsubscribe") + "alarms", false),
            (base.replace("amazonaws.com", "example.com") + "alarms", false),
        ] {
            assert_eq!(SubscribeUrl::parse(&text, &ours).is_some(), fine, "{text}");
            assert!(SubscribeUrl::parse(&text, &Topics::default()).is_none());
        }
        let url = SubscribeUrl::parse(&format!("{base}alarms&Token=geheim"), &ours).expect("ours");
        assert!(!format!("{url:?}").contains("geheim"));
    }
}
